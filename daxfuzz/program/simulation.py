"""A program on a kernel, ready to run: the world, the kernel in it, and one actor per task."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.kernel import Kernel
from daxfuzz.kernel.mm import VMA_PAGES
from daxfuzz.program.hooks import CallHooks
from daxfuzz.program.operations import OPERATIONS, Result
from daxfuzz.program.processes import address_spaces, mapped_files, opened_files, parents, ram_pages
from daxfuzz.program.user_space import Birth, UserSpace
from daxfuzz.sim import Signal, World

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.kept import Kept
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.subsystem import Subsystem
    from daxfuzz.program.case import Call, Program
    from daxfuzz.sim import Actor, Task


USER = -1
"""Operation of a task in user space: between two calls, or after the last."""

DEAD = -2
"""Operation of a task that exit or a signal has ended."""

FINAL = ("SIGSEGV", "SIGBUS", "SIGKILL", "EXIT")
"""Results after which a task does not go on."""

UNBORN = -3
"""Operation of a task whose process has not been forked yet."""


class Reference(NamedTuple):
    """One page that something holds: how it was taken (of Foll), and for which file page."""

    page: Page
    flags: int
    inode: int
    file_page: int


class Simulation:
    """Executions of one program on one kernel. Run ``world`` on a host of daxfuzz.sim.

    registers: per task, what its registers hold now: references on consecutive file pages, one at least.
    results: per task, what its calls have returned so far.
    on_begin, on_end: called around each operation with (task, call) and (task, call, result).
    on_hold, on_drop: called with (task, reference) for each that something gets, and just before it is released.
    births: by the index of each mm that is not there at the start, what its tasks wait for.
    ghosts: state that observers share, by its class.
    on_dma: called with (task, reference) in the step in which a device has written through a reference.
    """

    def __init__(self, program: Program, subsystems: Mapping[str, type[Subsystem]], filesystem: str) -> None:
        self.program = program
        self.world = World()
        self.kernel = Kernel(
            self.world,
            program.machine,
            subsystems,
            filesystem,
            program.setup.files,
            ram_pages(program),
            1 + any(call.name == "mremap" for calls in program.tasks.values() for call in calls),
            program.setup.align,
        )
        self.registers: list[dict[str, tuple[Reference, ...]]] = []
        self.results: list[list[Result]] = []
        self.on_begin: CallHooks[Callable[[Task, Call], None]] = CallHooks()
        self.on_end: CallHooks[Callable[[Task, Call, Result], None]] = CallHooks()
        self.on_hold: list[Callable[[Task, Reference], None]] = []
        self.on_drop: list[Callable[[Task, Reference], None]] = []
        self.on_dma: list[Callable[[Task, Reference], None]] = []
        self.ghosts: dict[type, object] = {}
        self.births: dict[int, Birth] = {}
        self._user_spaces: list[UserSpace] = []
        self._tasks: dict[str, Task] = {}
        for name, calls in program.tasks.items():
            self._tasks[name] = self.world.spawn(name, self._actor(len(self._tasks), calls))
            self._user_spaces.append(UserSpace(self.world, f"{name}.user"))
            self.registers.append({})
            self.results.append([])
        self._set_up()
        self._observe_kept()
        self.world.on_reset.append(self._reset)
        self.world.own_memories |= {
            f"registers {task.index}": partial(self._registered, task.index) for task in self.world.tasks
        }
        self.world.hooks += [(self, name) for name in ("on_begin", "on_end", "on_hold", "on_drop", "on_dma")]
        self.world.seal()

    def _set_up(self) -> None:
        kernel = self.kernel
        setup = self.program.setup
        forked = parents(self.program)
        for name, members in address_spaces(self.program).items():
            tasks = [self._tasks[member] for member in members]
            mm = kernel.add_mm(name, tasks, born=not forked[name])
            if forked[name]:
                self.births[mm.index] = Birth(self.world, f"{name}.birth")
                self.births[mm.index].tasks += tasks
                continue
            used = mapped_files(self.program, members)
            for file in setup.files:
                if file in used:
                    kernel.map_file(mm, kernel.inodes[file])
            opened = opened_files(self.program, members)
            for file in setup.files:
                if file in opened:
                    kernel.open_file(mm, kernel.inodes[file])
        if kernel.fs.reflinks:
            for file, source in setup.clones.items():
                kernel.clone(kernel.inodes[source], kernel.inodes[file])
        if setup.prefault:
            for inode in kernel.inodes.values():
                kernel.fs.prefault(inode, setup.huge and kernel.fs.huge)

    def _reset(self) -> None:
        for registers in self.registers:
            registers.clear()
        for results in self.results:
            results.clear()

    def _registered(self, task: int) -> Hashable:
        """What a task's registers hold, which observers look at."""
        return tuple(
            [
                (name, tuple([(each.page.pfn, each.flags, each.inode, each.file_page) for each in references]))
                for name, references in self.registers[task].items()
            ]
        )

    def _actor(self, index: int, calls: tuple[Call, ...]) -> Actor:
        async def user_space() -> None:
            task = self.world.tasks[index]
            user = self._user_spaces[index]
            on_begin, on_end = self.on_begin, self.on_end
            registers = self.registers[index]
            results = self.results[index]
            task_works = self.kernel.task_works
            birth = self.births.get(self.kernel.mm_of[index].index)
            if birth is not None:
                task.operation = UNBORN
                await birth.wait()
                task.signal = Signal.NONE
                task.operation = USER
            for position, call in enumerate(calls):
                await user.call()
                task.operation = position
                name = call.name
                for begin in on_begin[name]:
                    begin(task, call)
                result = await OPERATIONS[name](self, task, call)
                if task_works:
                    await self.kernel.vfs.task_work_run(task)
                results.append(result)
                for end in on_end[name]:
                    end(task, call, result)
                if task.signal is Signal.FATAL or result in FINAL:
                    task.operation = DEAD
                    return
                # A handler has run on the way back to user space.
                task.signal = Signal.NONE
                task.operation = USER
                task.live = (position, registers)

        return user_space

    def stuck(self) -> list[Task]:
        """The tasks that have not ended, for observers: not those that were never forked, nor devices and workers
        that have nothing to do."""
        if len(self.world.ended) == len(self.world.tasks):
            return []
        idle = (self.kernel.request_queue, self.kernel.inodegc)
        return [
            task
            for task in self.world.tasks
            if task.point is not None and task.operation != UNBORN and task.blocked_on not in idle
        ]

    def references(self) -> Iterator[tuple[Task, Reference]]:
        """Every reference that something holds now, with the task that took it, for observers: registers, then the
        pipe, then devices."""
        self.world.look(*self.world.own_memories)
        for index, registers in enumerate(self.registers):
            for references in registers.values():
                for reference in references:
                    yield self.world.tasks[index], reference
        queue = self.kernel.request_queue
        for kept in (*self.kernel.pipe.bufs.value, *queue.queued, *queue.running):
            yield self.world.tasks[kept.task], self.kept(kept)

    def kept(self, kept: Kept) -> Reference:
        """What a pipe or a device keeps, as a reference."""
        how = Foll.GET | (Foll.WRITE if kept.write else 0)
        return Reference(self.kernel.pfn_to_page(kept.pfn), how, kept.inode, kept.file_page)

    def _observe_kept(self) -> None:
        """References that pipes and devices get and give back, in the step in which they do."""

        def begin(kept: Kept) -> None:
            for hook in self.on_hold:
                hook(self.world.tasks[kept.task], self.kept(kept))

        def end(kept: Kept) -> None:
            for hook in self.on_drop:
                hook(self.world.current, self.kept(kept))

        def done(bio: Kept) -> None:
            for hook in self.on_dma:
                hook(self.world.tasks[bio.task], self.kept(bio))
            end(bio)

        def spliced(old: tuple[Kept, ...], new: tuple[Kept, ...]) -> None:
            if len(new) > len(old):
                begin(new[-1])
            else:
                end(old[0])

        self.kernel.pipe.bufs.watch = spliced
        self.kernel.request_queue.on_submit = begin
        self.kernel.request_queue.on_done = done

    def task(self, name: str) -> Task:
        """A task by its name. Raises KeyError."""
        return self._tasks[name]

    def inode(self, call: Call) -> Inode:
        """The file that a call names first."""
        return self.kernel.inodes[str(call.arguments[0])]

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
