"""All interleavings of a small program, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from daxfuzz.bench.schedulers.trials import is_buggy
from daxfuzz.sim import Point, Scheduler, Stepper, World


@dataclass(slots=True)
class Node:
    """A place in an execution.

    enabled: tasks that can take the next turn, ascending; none at the end.
    points: per task what it is about to do; None for those that have ended.
    children: per enabled task what comes after its turn.
    buggy: whether an execution that ends here shows the bug.
    """

    enabled: tuple[int, ...] = ()
    points: tuple[Point | None, ...] = ()
    children: dict[int, Node] = field(default_factory=dict)
    buggy: bool = False

    def leaves(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Node]]:
        """Every interleaving with its end."""
        if not self.enabled:
            yield path, self
        for task, child in self.children.items():
            yield from child.leaves((*path, task))


class _Guide(Scheduler):
    """Takes given turns and then the first task each time; notes what could be done."""

    def __init__(self, prefix: Sequence[int]) -> None:
        self.prefix = prefix
        self.seen: list[tuple[tuple[int, ...], tuple[Point | None, ...]]] = []
        self._world: World | None = None

    def new_execution(self, world: World) -> None:
        self._world = world

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        assert self._world is not None
        self.seen.append((tuple(enabled), tuple(task.point for task in self._world.tasks)))
        turn = len(self.seen) - 1
        return self.prefix[turn] if turn < len(self.prefix) else enabled[0]


def tree(world: World, limit: int) -> Node:
    """Run every interleaving of a program that ends within `limit` turns. Raises ValueError if one does not."""
    root = Node()
    pending: list[tuple[int, ...]] = [()]
    host = Stepper(world)
    while pending:
        prefix = pending.pop()
        guide = _Guide(prefix)
        execution = host.run(guide, limit)
        if execution.exhausted:
            raise ValueError(f"an interleaving takes more than {limit} turns")
        node = root
        turns = tuple(execution.turns)
        for turn, (enabled, points) in enumerate(guide.seen):
            node.enabled, node.points = enabled, points
            if turn >= len(prefix):
                pending += [(*turns[:turn], task) for task in enabled if task != turns[turn]]
            node = node.children.setdefault(turns[turn], Node())
        node.buggy = is_buggy(execution)
    return root
