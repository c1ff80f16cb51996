"""A program on a kernel, ready to run: the world, the kernel in it, and one actor per task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.kernel import Kernel
from daxfuzz.kernel.mm import VMA_PAGES
from daxfuzz.program.operations import OPERATIONS, SIGNATURES, Result
from daxfuzz.program.signature import Kind
from daxfuzz.program.user_space import UserSpace
from daxfuzz.sim import Signal, World

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.subsystem import Subsystem
    from daxfuzz.program.case import Call, Program
    from daxfuzz.sim import Actor, Task


USER = -1
"""Operation of a task in user space: between two calls, or after the last."""

DEAD = -2
"""Operation of a task that a signal has ended."""


class Reference(NamedTuple):
    """One page that a register holds: how it was taken (of Foll), and for which file page."""

    page: Page
    flags: int
    inode: int
    file_page: int


class Simulation:
    """Executions of one program on one kernel. Run ``world`` on a host of daxfuzz.sim.

    registers: per task, what its registers hold now: references on consecutive file pages, one at least.
    results: per task, what its calls have returned so far.
    on_begin, on_end: called around each operation with (task, call) and (task, call, result).
    on_hold, on_drop: called with (task, reference) for each that a register gets, and just before they are released.
    ghosts: state that observers share, by its class.
    on_dma: called with (task, reference) in the step in which a device has written through a reference.
    """

    def __init__(self, program: Program, subsystems: Mapping[str, type[Subsystem]], filesystem: str) -> None:
        self.program = program
        self.world = World()
        self.kernel = Kernel(self.world, program.machine, subsystems, filesystem, program.setup.files)
        self.registers: list[dict[str, tuple[Reference, ...]]] = []
        self.results: list[list[Result]] = []
        self.on_begin: list[Callable[[Task, Call], None]] = []
        self.on_end: list[Callable[[Task, Call, Result], None]] = []
        self.on_hold: list[Callable[[Task, Reference], None]] = []
        self.on_drop: list[Callable[[Task, Reference], None]] = []
        self.on_dma: list[Callable[[Task, Reference], None]] = []
        self.ghosts: dict[type, object] = {}
        self._user_spaces: list[UserSpace] = []
        self._tasks: dict[str, Task] = {}
        for name, calls in program.tasks.items():
            self._tasks[name] = self.world.spawn(name, self._actor(len(self._tasks), calls))
            self._user_spaces.append(UserSpace(self.world, f"{name}.user"))
            self.registers.append({})
            self.results.append([])
        self._set_up()
        self.world.on_reset.append(self._reset)
        self.world.seal()

    def _set_up(self) -> None:
        kernel = self.kernel
        setup = self.program.setup
        for name, members in address_spaces(self.program).items():
            mm = kernel.add_mm(name, [self._tasks[member] for member in members])
            used = mapped_files(self.program, members)
            for file in setup.files:
                if file in used:
                    kernel.map_file(mm, kernel.inodes[file])
            opened = opened_files(self.program, members)
            for file in setup.files:
                if file in opened:
                    kernel.open_file(mm, kernel.inodes[file])
        if setup.prefault:
            for inode in kernel.inodes.values():
                kernel.prefault(inode, setup.huge)

    def _reset(self) -> None:
        for registers in self.registers:
            registers.clear()
        for results in self.results:
            results.clear()

    def _actor(self, index: int, calls: tuple[Call, ...]) -> Actor:
        async def user_space() -> None:
            task = self.world.tasks[index]
            user = self._user_spaces[index]
            task_works = self.kernel.task_works
            for position, call in enumerate(calls):
                await user.call()
                task.operation = position
                for begin in self.on_begin:
                    begin(task, call)
                result = await OPERATIONS[call.name](self, task, call)
                if task_works:
                    await self.kernel.vfs.task_work_run(task)
                self.results[index].append(result)
                for end in self.on_end:
                    end(task, call, result)
                if task.signal is Signal.FATAL or result in ("SIGSEGV", "SIGBUS", "SIGKILL"):
                    task.operation = DEAD
                    return
                # A handler has run on the way back to user space.
                task.signal = Signal.NONE
                task.operation = USER

        return user_space

    def task(self, name: str) -> Task:
        """A task by its name. Raises KeyError."""
        return self._tasks[name]

    def inode(self, call: Call) -> Inode:
        """The file that a call names first."""
        return self.kernel.inodes[str(call.arguments[0])]

    def references(self, task: int) -> Iterator[Reference]:
        """All references that the registers of a task hold, by its index."""
        for references in self.registers[task].values():
            yield from references

    def address(self, call: Call) -> int:
        """The address of the file page that a call names first."""
        return self.inode(call).number * VMA_PAGES + int(call.arguments[1])

    def unique_value(self, task: Task) -> int:
        """A value that no other write of the execution stores."""
        return (task.index + 1) * 1000 + task.operation

    def hold(self, task: Task, call: Call, flags: int, pages: list[Page] | int) -> Result:
        """Put the outcome of a GUP call into its register: 0, also if it got only some pages, or the error."""
        if isinstance(pages, int):
            return pages
        inode = self.inode(call).number
        first = int(call.arguments[1])
        references = tuple(Reference(page, flags, inode, first + offset) for offset, page in enumerate(pages))
        assert call.result is not None, "the loader requires a register for every reference"
        self.registers[task.index][call.result] = references
        for reference in references:
            for hook in self.on_hold:
                hook(task, reference)
        return 0

    def drop(self, task: Task, register: str) -> list[Page]:
        """Take references out of their register; none if there are none (its GUP call failed)."""
        references = self.registers[task.index].pop(register, ())
        for reference in references:
            for hook in self.on_drop:
                hook(task, reference)
        return [reference.page for reference in references]


def address_spaces(program: Program) -> dict[str, tuple[str, ...]]:
    """The tasks of each mm, by its name: as the set-up says, else one mm per task."""
    if program.setup.mms:
        return dict(program.setup.mms)
    return {f"mm{i}": (name,) for i, name in enumerate(program.tasks)}


def mapped_files(program: Program, members: tuple[str, ...]) -> list[str]:
    """Files that a mm maps at the start: those in which its tasks name an address or a mapping.

    A mm that reaches a file only through descriptors does not map it.
    """
    used = []
    for member in members:
        for call in program.tasks[member]:
            kinds = [parameter.kind for parameter in SIGNATURES[call.name].parameters]
            for position, argument in enumerate(call.arguments):
                if kinds[position : position + 2] == [Kind.FILE, Kind.PAGE] or call.name == "munmap":
                    used.append(str(argument))
    return used


def opened_files(program: Program, members: tuple[str, ...]) -> list[str]:
    """Files that a process has open at the start: those that its tasks reach through descriptors."""
    return [
        str(argument)
        for member in members
        for call in program.tasks[member]
        for parameter, argument in zip(SIGNATURES[call.name].parameters, call.arguments, strict=False)
        if parameter.descriptor
    ]
