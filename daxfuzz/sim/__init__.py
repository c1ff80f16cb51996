"""Controlled concurrency: tasks, points, primitives, and two hosts that run them.

An actor is an ``async def`` that awaits only the primitives of this package. Each primitive declares the access
that comes next with a :class:`Point`, stops there until the scheduler gives the task a turn, then performs
exactly that access. Nothing here knows about kernels: the package serves any small concurrent program.

    world = World()
    counter = Cell(world, "counter", 0)

    async def increment() -> None:
        value = await counter.read()
        await counter.write(value + 1)

    for name in ("a", "b"):
        world.spawn(name, increment)
    execution = Stepper(world.seal()).run(scheduler)

May import: nothing of daxfuzz.
"""

from daxfuzz.sim.apart import take_apart
from daxfuzz.sim.cells import Atomic, Cell, GuardedCell, ObservedCell
from daxfuzz.sim.checking import UndeclaredAccess, check_accesses
from daxfuzz.sim.host import Host
from daxfuzz.sim.interrupts import Interrupts
from daxfuzz.sim.locks import Lock, Mutex, RwSemaphore, SpinLock
from daxfuzz.sim.observer import Observer
from daxfuzz.sim.percpu_ref import PercpuRef
from daxfuzz.sim.percpu_rwsem import PercpuRwSemaphore
from daxfuzz.sim.point import Access, Point, conflict
from daxfuzz.sim.rcu import Rcu
from daxfuzz.sim.recording import record_looks
from daxfuzz.sim.schedule import Constraint, Label, SparseSchedule
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.signals import Signals
from daxfuzz.sim.stepper import Stepper
from daxfuzz.sim.task import Actor, Signal, Task, TaskState
from daxfuzz.sim.trace import Execution, Scheduler, Step
from daxfuzz.sim.trio_host import TrioHost
from daxfuzz.sim.violation import Violation
from daxfuzz.sim.wait import (
    ERESTARTSYS,
    Completion,
    WaitEntry,
    WaitQueueHead,
    WaitTable,
    wait_event,
    wait_var_event,
    wake_up_var,
)
from daxfuzz.sim.world import World

__all__ = [
    "ERESTARTSYS",
    "Access",
    "Actor",
    "Atomic",
    "Cell",
    "Completion",
    "Constraint",
    "Execution",
    "GuardedCell",
    "Host",
    "Interrupts",
    "Label",
    "Lock",
    "Mutex",
    "ObservedCell",
    "Observer",
    "PercpuRef",
    "PercpuRwSemaphore",
    "Point",
    "Rcu",
    "RwSemaphore",
    "Scheduler",
    "Shared",
    "Signal",
    "Signals",
    "SparseSchedule",
    "SpinLock",
    "Step",
    "Stepper",
    "Task",
    "TaskState",
    "TrioHost",
    "UndeclaredAccess",
    "Violation",
    "WaitEntry",
    "WaitQueueHead",
    "WaitTable",
    "World",
    "check_accesses",
    "conflict",
    "record_looks",
    "take_apart",
    "wait_event",
    "wait_var_event",
    "wake_up_var",
]
