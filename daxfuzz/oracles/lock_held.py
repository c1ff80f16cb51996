"""Locks that a task takes back to user space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class LockHeld(Oracle):
    """A call returns with no lock held, outside all read-side sections, and with interrupts on."""

    kinds = ("lock-held",)

    def attach(self) -> None:
        self.sim.on_end.append(self.ended)

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if task.held:
            self.fail("lock-held", f"{call} returns with {task.held[-1].name} held", channel=task.held[-1].lock_class)
        for domain in (self.kernel.rcu, self.kernel.dax_srcu):
            if domain.read_by(task.index):
                message = f"{call} returns inside a section of {domain.name}"
                self.fail("lock-held", message, channel=domain.name)
        if task.irq_depth:
            self.fail("lock-held", f"{call} returns with interrupts off", channel="interrupts")
