"""Processes and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
