"""Locks that are taken in both orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Lock, Violation

if TYPE_CHECKING:
    from daxfuzz.sim import Task


class LockOrder(Oracle):
    """The graph of lock classes taken while another is held has no cycle (lockdep). Also seen in runs that go well.

    Only the edge from the lock taken last is kept: the others follow from it.
    """

    kinds = ("lock-order",)

    def attach(self) -> None:
        for obj in self.world.objects:
            if isinstance(obj, Lock):
                listen(obj, "on_acquire", self.acquired)

    def reset(self) -> None:
        self.edges: dict[str, dict[str, str]] = {}
        self.reported: list[tuple[str, ...]] = []

    def acquired(self, lock: Lock, task: Task) -> None:
        if len(task.held) < 2:
            return
        before = task.held[-2].lock_class
        after = lock.lock_class
        after_before = self.edges.get(before)
        if after_before is None:
            after_before = self.edges[before] = {}
        if after in after_before:
            return
        after_before[after] = task.name
        path = self.path(after, before)
        if path and tuple(sorted(path)) not in self.reported:
            self.reported.append(tuple(sorted(path)))
            self.world.defer(
                Violation(
                    "lock-order",
                    f"{task.name} takes {after} while it holds {before}; the other order is {' -> '.join(path)}",
                    channel=" ".join(sorted(path)),
                    tasks=(task.name,),
                )
            )

    def path(self, start: str, goal: str) -> list[str]:
        """Classes from `start` to `goal` along the edges, empty if there is no way."""
        seen = [start]
        stack = [[start]]
        while stack:
            path = stack.pop()
            if path[-1] == goal:
                return path
            for after in self.edges.get(path[-1], {}):
                if after not in seen:
                    seen.append(after)
                    stack.append([*path, after])
        return []
