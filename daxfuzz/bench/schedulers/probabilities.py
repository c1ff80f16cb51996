"""With what probability a scheduler hits the bug of a program of which all interleavings are known.

Each follows from the paper's description and shares no code with the scheduler. Exact, as fractions; the papers are
those that the schedulers name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import permutations, product

from daxfuzz.bench.schedulers.tree import Node
from daxfuzz.sim import Shared, conflict

Ranks = tuple[int, ...]


def random_walk(root: Node) -> Fraction:
    """At each turn all enabled tasks are equally likely."""
    if not root.enabled:
        return Fraction(root.buggy)
    return sum((random_walk(child) for child in root.children.values()), Fraction()) / len(root.enabled)


def uniform(root: Node) -> Fraction | None:
    """All interleavings are equally likely; None if tasks block or their numbers of turns differ, where that is not
    what the scheduler promises."""
    ends = list(root.leaves())
    counts = {tuple(sorted(Counter(path).items())) for path, _ in ends}
    if len(counts) > 1 or not all(_ready(node, taken) for node, taken in _inner(root, ())):
        return None
    return Fraction(sum(end.buggy for _, end in ends), len(ends))


def pct(root: Node, depth: int) -> Fraction:
    """Over all orders of the tasks and all change points, of which each may lie behind any turn."""
    tasks, turns = len(root.points), longest(root)
    hits = total = 0
    for order in permutations(range(tasks)):
        for changes in product(range(1, turns + 1), repeat=depth - 1):
            total += 1
            hits += _pct_run(root, order, changes)
    return Fraction(hits, total)


def pct_bound(root: Node, depth: int) -> Fraction:
    """What the paper guarantees for a bug of that depth: 1 / (n k^(d-1))."""
    return Fraction(1, len(root.points) * longest(root) ** (depth - 1))


def pos(root: Node) -> Fraction:
    """By the ranks of all priorities that were ever drawn: each new one is equally likely to get any rank."""
    return _pos(root, (), {})


def surw(root: Node) -> Fraction | None:
    """If only one object is contended: all orders of the accesses to it are equally likely; None if the bug depends
    on anything else, or as for :func:`uniform`."""
    if uniform(root) is None:
        return None
    contended = {obj for node, _ in _inner(root, ()) for obj in _contended(node)}
    if len(contended) != 1:
        return None
    (target,) = contended
    verdicts: dict[tuple[int, ...], bool] = {}
    for order, buggy in _orders(root, target, ()):
        if verdicts.setdefault(order, buggy) != buggy:
            return None
    return Fraction(sum(verdicts.values()), len(verdicts))


def longest(root: Node) -> int:
    """Turns of the longest execution."""
    return max(len(path) for path, _ in root.leaves())


def _inner(node: Node, path: tuple[int, ...]) -> Iterator[tuple[Node, tuple[int, ...]]]:
    """Every place where there is a choice to make or none, with the turns before it."""
    if node.enabled:
        yield node, path
    for task, child in node.children.items():
        yield from _inner(child, (*path, task))


def _ready(node: Node, taken: Sequence[int]) -> bool:
    """Whether all tasks can run that have begun and not ended."""
    return all(task in node.enabled or point is None or task not in taken for task, point in enumerate(node.points))


def _pct_run(root: Node, order: Sequence[int], changes: Sequence[int]) -> bool:
    """order: tasks, the highest priority first. changes: the i-th of them lowers a task to d - i."""
    depth = len(changes) + 1
    priority = {task: depth + len(order) - position for position, task in enumerate(order)}
    node, turn = root, 0
    while node.enabled:
        task = max(node.enabled, key=priority.__getitem__)
        node = node.children[task]
        turn += 1
        for index, change in enumerate(changes, 1):
            if change == turn:
                priority[task] = depth - index
    return node.buggy


def _pos(node: Node, ranked: Ranks, known: dict[tuple[int, Ranks], Fraction]) -> Fraction:
    """ranked: all priorities drawn so far, lowest first: the task that has it, or -1 if nobody has any more."""
    if not node.enabled:
        return Fraction(node.buggy)
    key = id(node), ranked
    if key not in known:
        known[key] = _pos_next(node, ranked, known)
    return known[key]


def _pos_next(node: Node, ranked: Ranks, known: dict[tuple[int, Ranks], Fraction]) -> Fraction:
    missing = next((task for task in node.enabled if task not in ranked), None)
    if missing is not None:
        places = range(len(ranked) + 1)
        drawn = [_pos(node, (*ranked[:place], missing, *ranked[place:]), known) for place in places]
        return sum(drawn, Fraction()) / len(drawn)
    chosen = next(task for task in reversed(ranked) if task in node.enabled)
    spent = {chosen, *(task for task in node.enabled if _race(node, chosen, task))}
    return _pos(node.children[chosen], tuple(-1 if task in spent else task for task in ranked), known)


def _race(node: Node, one: int, other: int) -> bool:
    first, second = node.points[one], node.points[other]
    return first is not None and second is not None and one != other and conflict(first, second)


def _contended(node: Node) -> list[Shared]:
    """Objects on which steps that could be next conflict."""
    return [
        point.object
        for task in node.enabled
        for other in node.enabled
        if (point := node.points[task]) is not None and _race(node, task, other)
    ]


def _orders(node: Node, target: Shared, order: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Per interleaving the tasks in the order of their accesses to an object, and whether it shows the bug."""
    if not node.enabled:
        yield order, node.buggy
    for task, child in node.children.items():
        point = node.points[task]
        assert point is not None
        yield from _orders(child, target, (*order, task) if point.object is target else order)
