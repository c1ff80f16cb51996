"""Locks that are taken in both orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Lock, Violation

if TYPE_CHECKING:
    from daxfuzz.sim import Task


class LockOrder(Oracle):
    """The graph of lock classes taken while another is held has no cycle (lockdep). Also seen in runs that go well.

    Only the edge from the lock taken last is kept: the others follow from it. The edges of all executions of a
    program together are a filter: as long as they have no cycle, no execution has one.
    """

    kinds = ("lock-order",)

    def attach(self) -> None:
        for obj in self.world.objects:
            if isinstance(obj, Lock):
                listen(obj, "on_acquire", self.acquired)
        self.ever: dict[str, dict[str, str]] = {}
        self.ever_cyclic = False

    def reset(self) -> None:
        self.pairs: set[tuple[Lock, Lock]] = set()
        self.edges: dict[str, dict[str, str]] = {}
        self.reported: list[tuple[str, ...]] = []

    def acquired(self, lock: Lock, task: Task) -> None:
        held = task.held
        if len(held) < 2:
            return
        pair = (held[-2], lock)
        if pair in self.pairs:
            return
        self.pairs.add(pair)
        before = held[-2].lock_class
        after = lock.lock_class
        edges = self.edges.get(before)
        if edges is None:
            edges = self.edges[before] = {}
        elif after in edges:
            return
        edges[after] = task.name
        if after not in self.ever.setdefault(before, {}):
            self.ever[before][after] = task.name
            self.ever_cyclic = self.ever_cyclic or bool(path(self.ever, after, before))
        if self.ever_cyclic:
            self.check(task, before, after)

    def check(self, task: Task, before: str, after: str) -> None:
        """Report the cycle that a new edge of this execution closes, if it does."""
        found = path(self.edges, after, before)
        if found and tuple(sorted(found)) not in self.reported:
            self.reported.append(tuple(sorted(found)))
            self.world.defer(
                Violation(
                    "lock-order",
                    f"{task.name} takes {after} while it holds {before}; the other order is {' -> '.join(found)}",
                    channel=" ".join(sorted(found)),
                    tasks=(task.name,),
                )
            )


def path(edges: dict[str, dict[str, str]], start: str, goal: str) -> list[str]:
    """Classes from `start` to `goal` along the edges, empty if there is no way."""
    seen = [start]
    stack = [[start]]
    while stack:
        here = stack.pop()
        if here[-1] == goal:
            return here
        for after in edges.get(here[-1], {}):
            if after not in seen:
                seen.append(after)
                stack.append([*here, after])
    return []
