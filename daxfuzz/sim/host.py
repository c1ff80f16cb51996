"""What the two hosts share: the course of an execution from reset to verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.sim.trace import Execution, Scheduler, failing_function
from daxfuzz.sim.violation import Violation

if TYPE_CHECKING:
    from daxfuzz.sim.world import World

DEFAULT_LIMIT = 20_000
"""Turns after which an execution is given up."""


class Host:
    """Runs executions of one sealed world.

    Conventions that make traces equal on all hosts: every task runs to its first point before any choice is made,
    which touches no shared state; the end of a task belongs to its last turn and consumes no choice.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, scheduler: Scheduler, limit: int = DEFAULT_LIMIT, suffix: Scheduler | None = None) -> Execution:
        """One execution. Raises whatever the program raises other than Violation.

        limit: turns under `scheduler`.
        suffix: takes over for as many turns again when the limit is reached (a fair scheduler, for liveness).
        """
        world = self.world
        turns: list[int] = []
        world.turns = turns
        violation = None
        exhausted = False
        try:
            world.reset()
            scheduler.new_execution(world)
            self.play(scheduler, limit, turns)
            # Without a turn (limit 0) the suffix has none either, and `play` would start the tasks a second time.
            if turns and world.enabled and suffix is not None:
                suffix.new_execution(world)
                self.play(suffix, 2 * limit, turns)
            exhausted = bool(world.enabled)
            for hook in world.on_end:
                hook()
        except Violation as found:
            violation = found
            found.function = found.function or failing_function(found, world)
            # The traceback would keep the coroutines of the execution alive.
            found.__traceback__ = None
        finally:
            world.close()
        stuck = () if violation or exhausted else tuple(task.index for task in world.tasks if task.point is not None)
        return Execution(turns, list(world.log), violation, list(world.deferred), stuck, exhausted)

    def play(self, scheduler: Scheduler, limit: int, turns: list[int]) -> None:
        """Give turns until nobody can go on or `turns` has `limit` entries; start the tasks if `turns` is empty."""
        raise NotImplementedError
