"""Processes and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EAGAIN, EINVAL
from daxfuzz.program.operations.operation import Result, operation, parameter
from daxfuzz.program.signature import Kind
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation(
    "send a signal to a task (default SIGUSR1, caught; SIGKILL ends it)",
    parameter("task", Kind.TASK),
    parameter("signal", Kind.FLAG, "SIGUSR1", "SIGKILL", optional=True),
)
async def signal(sim: Simulation, task: Task, call: Call) -> Result:
    fatal = "SIGKILL" in call.arguments[1:]
    await sim.kernel.signals.send(sim.task(str(call.arguments[0])), Signal.FATAL if fatal else Signal.PENDING)
    return 0


@operation(
    "start a process that is not there yet, the one of a task, with a copy of the caller's mappings",
    parameter("task", Kind.TASK),
)
async def fork(sim: Simulation, task: Task, call: Call) -> Result:
    kernel = sim.kernel
    child = kernel.mm_of[sim.task(str(call.arguments[0])).index]
    parent = kernel.mm_of[task.index]
    birth = sim.births.get(child.index)
    if birth is None or child.index <= parent.index:
        return -EINVAL
    if not await birth.claim():
        return -EAGAIN
    await kernel.vfs.dup_fd(child, parent)
    error = await kernel.fork.dup_mm(child, parent)
    if error:
        await kernel.vfs.exit_files(child)
    await birth.end(not error)
    return error


@operation("end the task and, with its last one, the process")
async def exit(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    if await mm.mm_users.add_return(-1) == 0:
        await sim.kernel.mmap.exit_mmap(mm)
        await sim.kernel.vfs.exit_files(mm)
    return "EXIT"
