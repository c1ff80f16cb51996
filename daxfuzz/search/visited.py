"""Which states an exhaustive search has seen, and what it has left out there."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daxfuzz.search.bounds import Bounds
    from daxfuzz.search.exhaustive import Node

Spent = tuple[int, int]
"""Preemptions and steps on the way to a state."""

NOBODY: frozenset[int] = frozenset()


class Visited:
    """The keys of all states seen.

    Where a bound on preemptions or steps may cut ways, with what was spent on each way that was the cheapest in one or
    the other when it was taken: a state is followed again if it is seen with more left of either. With a bound on
    preemptions it also matters who ran last.

    With sleep sets, which tasks were asleep each time that it was seen.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._by_preemptions = bounds.preemptions is not None
        self._by_steps = bounds.steps is not None
        self._bounded = self._by_preemptions or self._by_steps
        self._asleep: dict[int, frozenset[int]] = {}
        self._spent: dict[tuple[int, int], list[Spent]] = {}

    def __len__(self) -> int:
        """Number of states."""
        return len(self._asleep)

    def closed(self) -> Container[int] | None:
        """The keys of states in which nothing is left to do, if being seen is enough for that: without sleep sets."""
        return None if self._bounded else self._asleep

    def to_do(self, node: Node, depth: int) -> list[int]:
        """The tasks to run in a state, which has been seen from now on; the next one last."""
        before = self._asleep.get(node.key)
        asleep = frozenset(node.asleep) if node.asleep else NOBODY
        if before is None:
            self._asleep[node.key] = asleep
            if self._bounded:
                self._better(node, depth)
            return [task for task in node.order() if task not in asleep]
        if self._bounded:
            return node.order() if self._better(node, depth) else []
        awake = before - asleep
        if not awake:
            return []
        self._asleep[node.key] = before & asleep
        # Whoever was awake before has run.
        return [task for task in node.order() if task in awake]

    def _better(self, node: Node, depth: int) -> bool:
        """Whether a state is seen with more left than ever before."""
        spent = (node.preemptions if self._by_preemptions else 0, depth if self._by_steps else 0)
        ways = self._spent.setdefault((node.key, node.current if self._by_preemptions else 0), [])
        if any(one <= spent[0] and other <= spent[1] for one, other in ways):
            return False
        ways[:] = [(one, other) for one, other in ways if one < spent[0] or other < spent[1]]
        ways.append(spent)
        return True
