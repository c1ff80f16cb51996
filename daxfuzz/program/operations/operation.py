"""How an operation is declared: its signature and what it does, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EBADF
from daxfuzz.program.signature import Holds, Kind, Parameter, Signature

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

Result = int | str
"""0 or a negative errno; for memory accesses the value, or the name of the signal that the access drew."""

Operation = Callable[["Simulation", "Task", "Call"], Awaitable[Result]]
"""Where an operation is one call into the kernel it hands over that coroutine instead of awaiting it: every level of
awaiting costs each step of the call."""


SIGNATURES: dict[str, Signature] = {}
"""Every operation's signature, by name."""

OPERATIONS: dict[str, Operation] = {}
"""The function of each operation in SIGNATURES."""


def operation(summary: str, *parameters: Parameter, result: Holds = Holds.NOTHING) -> Callable[[Operation], Operation]:
    """Declare the decorated function as the operation of its name."""

    def declare(function: Operation) -> Operation:
        name = function.__name__
        SIGNATURES[name] = Signature(name, parameters, result, summary)
        OPERATIONS[name] = function
        return function

    return declare


def parameter(name: str, kind: Kind, *choices: str, optional: bool = False, holds: Holds = Holds.NOTHING) -> Parameter:
    """One parameter of an operation."""
    return Parameter(name, kind, choices, optional, holds)


FILE = parameter("file", Kind.FILE)
DESCRIPTOR = Parameter("file", Kind.FILE, descriptor=True)
PAGE = parameter("page", Kind.PAGE)
OFFSET = parameter("page", Kind.OFFSET)
LENGTH = parameter("length", Kind.LENGTH)
MAP_PRIVATE = "MAP_PRIVATE"
"""The flag of mmap for copy on write."""
READ_ONLY = "READ_ONLY"
"""For GUP without FOLL_WRITE."""


def with_file(
    sim: Simulation, task: Task, call: Call, run: Callable[[Inode], Awaitable[Result]], argument: int = 0
) -> Awaitable[Result]:
    """Run a call on the file behind the descriptor that an argument names; -EBADF if that is closed."""
    mm = sim.kernel.mm_of[task.index]
    inode = sim.kernel.inodes[str(call.arguments[argument])]
    if len(mm.tasks) > 1:
        return _with_shared_file(sim, mm, inode, run)
    return run(inode) if mm.files.has(inode.number) else _closed()


async def _closed() -> Result:
    return -EBADF


async def _with_shared_file(sim: Simulation, mm: Mm, inode: Inode, run: Callable[[Inode], Awaitable[Result]]) -> Result:
    if not await sim.kernel.vfs.fdget(mm, inode):
        return -EBADF
    result = await run(inode)
    sim.kernel.vfs.fput(inode)
    return result
