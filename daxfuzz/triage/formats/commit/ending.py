"""Where tasks are when nobody can go on."""

from __future__ import annotations

from dataclasses import dataclass

from daxfuzz.search import Replay
from daxfuzz.sim import Execution, Lock, Task, TaskState
from daxfuzz.triage.bench import Bench
from daxfuzz.triage.formats.commit.kernel_functions import KERNEL, is_there, named
from daxfuzz.triage.trace import shown_function


@dataclass(frozen=True, slots=True)
class Stuck:
    """A task that nobody can help.

    state: of its sleep; who waits for a lock sleeps uninterruptibly.
    trace: the kernel's functions that it is in, the innermost first.
    held: classes of the locks that it holds.
    """

    task: str
    state: TaskState
    trace: tuple[str, ...]
    held: tuple[str, ...]


def stuck_tasks(bench: Bench, execution: Execution) -> list[Stuck]:
    """The tasks that are stuck at the end of an execution, which is run again for them."""
    world = bench.sim.world
    found: list[Stuck] = []
    protocol = bench.kernel.spec.protocol
    renames = bench.kernel.composed().renames

    def look() -> None:
        if not world.enabled:
            found.extend(stuck(task, renames, protocol) for task in world.tasks if task.point is not None)

    world.on_end.insert(0, look)
    try:
        bench.run(Replay(execution.turns))
    finally:
        world.on_end.remove(look)
    return found


def stuck(task: Task, renames: dict[str, str], protocol: str) -> Stuck:
    """Where one task is."""
    codes = [code for code in reversed(task.frames()) if any(part in code.co_filename for part in KERNEL)]
    names = [shown_function(code.co_name, renames) for code in codes]
    trace = dict.fromkeys(named(name, protocol) for name in names if is_there(name, protocol))
    state = task.state if task.asleep and task.state is not TaskState.RUNNING else TaskState.UNINTERRUPTIBLE
    held = tuple(dict.fromkeys(lock.lock_class for lock in task.held if isinstance(lock, Lock)))
    return Stuck(task.name, state, tuple(trace), held)
