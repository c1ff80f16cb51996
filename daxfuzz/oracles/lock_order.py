"""Locks that are taken in both orders."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Lock, Violation

if TYPE_CHECKING:
    from daxfuzz.sim import Task

Graph = dict[str, dict[str, str]]
"""Per class the classes taken while one of it was held last, each with the task that did so first."""

Gates = frozenset[Lock]
"""Locks that were held exclusively, so that others who hold one of them cannot be under way at the same time."""


class LockOrder(Oracle):
    """The graph of lock classes taken while another is held has no cycle (lockdep). Also seen in runs that go well.

    A class is the lock's own or, if it was taken with a subclass, class/subclass (down_write_nested). Only the edge
    from the lock taken last is kept: the others follow from it. The edges of all executions of a program together
    are a filter: as long as they have no cycle, no execution has one.

    A subclass promises that locks of one class are taken in an order of their own. lockdep believes that; here the
    locks themselves must not have a cycle, either, unless a lock held exclusively all around keeps it from closing.
    """

    kinds = ("lock-order",)

    def attach(self) -> None:
        self.locks = [obj for obj in self.world.objects if isinstance(obj, Lock)]
        for lock in self.locks:
            listen(lock, "on_nest", self.nested)
        self.annotated_pairs: dict[tuple[str, str], str] = {}
        self.known: set[tuple[str, str]] = set()
        self.ever: Graph = {}
        self.ever_cyclic = False

    def reset(self) -> None:
        self.annotated_pairs.clear()
        self.edges: Graph = {}
        self.siblings: dict[Lock, dict[Lock, list[Gates]]] = {}
        self.reported: list[tuple[str, ...]] = []

    def memory(self) -> Hashable:
        """Pairs of locks count only once some have a cycle in all executions together."""
        siblings = {
            (one.name, other.name, tuple(sorted(gate.name for gate in gates)))
            for one, others in self.siblings.items()
            for other, orders in others.items()
            for gates in orders
        }
        pairs: set[tuple[str, str]] = set()
        if self.ever_cyclic:
            pairs = {(one.lock_class, other.lock_class) for one, other, _ in self.world.nested}
            pairs.update(self.annotated_pairs)
        return tuple(sorted(pairs)), tuple(sorted(siblings)), tuple(sorted(self.reported))

    def nested(self, lock: Lock, task: Task) -> None:
        if task.subclasses:
            self.annotated(lock, task)
            return
        before = task.held[-2]
        if not self.ever_cyclic:
            lock.quiet.add(before)
        self.new_pair(before.lock_class, lock.lock_class, task)

    def annotated(self, lock: Lock, task: Task) -> None:
        """An acquisition by a task that holds a lock with a subclass, perhaps this one."""
        held = task.held
        before, after = class_of(held[-2], task), class_of(lock, task)
        pair = (before, after)
        if pair not in self.annotated_pairs:
            self.annotated_pairs[pair] = task.name
            if self.ever_cyclic or pair not in self.known:
                self.known.add(pair)
                self.new_pair(before, after, task)
        for position, other in enumerate(held[:-1]):
            if other.lock_class == lock.lock_class:
                # Only what was taken before both keeps others from both; what came between is part of the cycle.
                gates = frozenset(gate for gate in held[:position] if gate.held_exclusively())
                self.new_siblings(other, lock, gates, task)

    def new_pair(self, before: str, after: str, task: Task) -> None:
        """A pair that this execution has not seen, and that the filter does not let pass."""
        if not self.ever_cyclic:
            self.ever.setdefault(before, {})[after] = task.name
            self.ever_cyclic = bool(path(self.ever, after, before))
            if not self.ever_cyclic:
                return
            self.world.revised = True
            for lock in self.locks:
                lock.quiet.clear()
            self.seen_before(before, after)
        edges = self.edges.setdefault(before, {})
        if after not in edges:
            edges[after] = task.name
            self.check(task, before, after)

    def seen_before(self, before: str, after: str) -> None:
        """The edges of this execution up to a new one: until now the filter was enough."""
        pairs = [(one.lock_class, other.lock_class, task.name) for one, other, task in self.world.nested]
        pairs += [(one, other, name) for (one, other), name in self.annotated_pairs.items()]
        for one, other, name in pairs:
            if (one, other) != (before, after):
                self.edges.setdefault(one, {}).setdefault(other, name)

    def check(self, task: Task, before: str, after: str) -> None:
        """Report the cycle that a new edge of this execution closes, if it does."""
        found = path(self.edges, after, before)
        if found:
            self.report(task, before, after, found, " ".join(sorted(found)))

    def new_siblings(self, before: Lock, after: Lock, gates: Gates, task: Task) -> None:
        """Two locks of one class, one of them with a subclass, have been taken in this order."""
        orders = self.siblings.setdefault(before, {}).setdefault(after, [])
        if gates in orders:
            return
        orders.append(gates)
        found = sibling_path(self.siblings, [after], before, gates)
        if found:
            names = [lock.name for lock in found]
            self.report(task, before.name, after.name, names, before.lock_class)

    def report(self, task: Task, before: str, after: str, found: list[str], channel: str) -> None:
        if tuple(sorted(found)) in self.reported:
            return
        self.reported.append(tuple(sorted(found)))
        self.world.defer(
            Violation(
                "lock-order",
                f"{task.name} takes {after} while it holds {before}; the other order is {' -> '.join(found)}",
                channel=channel,
                tasks=(task.name,),
            )
        )


def class_of(lock: Lock, task: Task) -> str:
    """The class as which a task holds a lock, as lockdep writes it."""
    subclass = task.subclasses.get(lock, 0)
    return f"{lock.lock_class}/{subclass}" if subclass else lock.lock_class


def path(edges: Graph, start: str, goal: str) -> list[str]:
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


def sibling_path(edges: dict[Lock, dict[Lock, list[Gates]]], here: list[Lock], goal: Lock, gates: Gates) -> list[Lock]:
    """Locks from the last of `here` to `goal` by edges that no gate keeps apart, empty if there is no way.

    gates: those of the edges so far, none of which may guard another edge.
    """
    if here[-1] is goal:
        return here
    for after, orders in edges.get(here[-1], {}).items():
        for more in orders:
            if after not in here and not gates & more:
                found = sibling_path(edges, [*here, after], goal, gates | more)
                if found:
                    return found
    return []
