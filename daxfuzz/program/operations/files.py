"""System calls on files."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.program.operations.operation import FILE, LENGTH, OFFSET, Result, operation, parameter
from daxfuzz.program.signature import Kind

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation("truncate(2)", FILE, parameter("size", Kind.SIZE))
def truncate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.fs.do_truncate(sim.inode(call), int(call.arguments[1]))


@operation("fallocate(2)", FILE, parameter("mode", Kind.FLAG, "PUNCH_HOLE"), OFFSET, LENGTH)
def fallocate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    _, _, first, length = call.arguments
    return sim.kernel.fs.fallocate_punch_hole(sim.inode(call), int(first), int(length))


@operation("fsync(2)", FILE)
def fsync(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.fs.fsync(sim.inode(call))
