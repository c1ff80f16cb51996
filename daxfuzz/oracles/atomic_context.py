"""Sleeping where the kernel must not."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen_to_all
from daxfuzz.sim import Mutex, Rcu, RwSemaphore, Shared, SpinLock, Violation, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.sim import Task


class AtomicContext(Oracle):
    """Nobody calls what may sleep while it holds a spinlock, is in an RCU read section, or has interrupts off.

    The call counts, whether or not it would have slept (might_sleep). SRCU readers may sleep. The kernel prints
    "BUG: sleeping function called from invalid context" or "scheduling while atomic" and goes on, and so does the
    execution: what follows may be graver.
    """

    kinds = ("sleeping-in-atomic",)

    def attach(self) -> None:
        # The kernel's other domains are SRCU.
        self.kernel.rcu.atomic = True
        sleeping = (
            obj
            for obj in self.world.objects
            if isinstance(obj, (Mutex, RwSemaphore, WaitQueueHead, Rcu)) and not isinstance(obj, SpinLock)
        )
        listen_to_all(sleeping, "on_sleep", self.arrived)

    def reset(self) -> None:
        self.reported: list[tuple[str, str]] = []

    def memory(self) -> Hashable:
        return tuple(sorted(self.reported))

    def arrived(self, obj: Shared, task: Task) -> None:
        spinlocks = [lock.name for lock in task.held if isinstance(lock, SpinLock)]
        if spinlocks:
            self.report(obj, task, f"holding {spinlocks[-1]}")
        elif task.irq_depth:
            self.report(obj, task, "with interrupts off")
        else:
            self.report(obj, task, "in an RCU read section")

    def report(self, obj: Shared, task: Task, context: str) -> None:
        channel = getattr(obj, "lock_class", obj.name.split("[")[0])
        if (channel, context) not in self.reported:
            self.reported.append((channel, context))
            message = f"{task.name} may sleep on {obj.name} {context}"
            self.world.defer(Violation("sleeping-in-atomic", message, channel=channel, tasks=(task.name,)))
