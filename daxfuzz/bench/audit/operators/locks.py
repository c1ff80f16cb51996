"""Locks that are dropped, kept, or weaker."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Change, before, change, dropper, remover, replaced
from daxfuzz.bench.audit.roles import call_of, called, receiver, stated
from daxfuzz.bench.audit.source import Edit, Source


def lock_steps(source: Source, names: frozenset[str]) -> dict[str, list[ast.stmt]]:
    """Statements that await one of these functions, by what they lock."""
    found: dict[str, list[ast.stmt]] = {}
    for each in source.statements:
        awaited = stated(each)
        if awaited is not None and called(awaited) in names:
            lock = receiver(awaited) or ast.unparse(call_of(awaited))
            found.setdefault(lock, []).append(each)
    for steps in found.values():
        steps.sort(key=lambda each: (each.lineno, each.col_offset))
    return found


def pairs(source: Source) -> Iterator[tuple[str, list[ast.stmt], list[ast.stmt]]]:
    """What the function locks and unlocks: (name of the taking function, where it is taken, where it is dropped)."""
    for take, drop in roles.LOCKS.items():
        taken = lock_steps(source, frozenset({take}))
        dropped = lock_steps(source, frozenset({drop}))
        for lock in taken:
            if lock in dropped:
                yield take, taken[lock], dropped[lock]


def drop_lock(source: Source) -> Iterator[Change]:
    """A lock is not taken and not dropped; also the lock of an entry is not taken, or not dropped."""
    for _, taken, dropped in pairs(source):
        if before(taken[0], dropped[0]):
            both = (*taken, *dropped)
            yield Change(taken[0], both, remover(*both))
    yield from dropper(roles.ENTRY_LOCKS)(source)


def keep_lock(source: Source) -> Iterator[Change]:
    """A lock that is dropped for a while is kept, as while asleep."""
    for _, taken, dropped in pairs(source):
        for release in dropped:
            acquire = next((each for each in taken if before(release, each)), None)
            same = acquire is not None and source.block_of(acquire) is source.block_of(release)
            if acquire is not None and same:
                both = (release, acquire)
                yield Change(release, both, remover(*both))


def drop_unlock(source: Source) -> Iterator[Change]:
    """A lock is dropped nowhere on one path."""
    for steps in lock_steps(source, frozenset(roles.UNLOCKS)).values():
        for each in steps:
            yield change(source, each, remover(each))


def drop_relock(source: Source) -> Iterator[Change]:
    """A lock that was dropped is not taken again, although whoever comes next drops it."""
    for take, drop in roles.LOCKS.items():
        dropped = lock_steps(source, frozenset({drop}))
        for lock, steps in lock_steps(source, frozenset({take})).items():
            for each in steps:
                if lock in dropped and before(dropped[lock][0], each):
                    yield change(source, each, remover(each))


def share_lock(source: Source) -> Iterator[Change]:
    """A lock is taken shared in place of exclusively."""
    for take, taken, dropped in pairs(source):
        if take == "down_write" and before(taken[0], dropped[0]):
            yield Change(taken[0], (*taken, *dropped), sharer((*taken, *dropped)))


def sharer(steps: tuple[ast.stmt, ...]) -> Callable[[Edit], None]:
    """Takes and drops a lock shared in all these statements."""

    def apply(edit: Edit) -> None:
        for each in steps:
            target = edit.of(each).value.value.func
            target.attr = target.attr.replace("_write", "_read")

    return apply


def lock_bit(source: Source) -> Iterator[Change]:
    """The lock bit of an entry: not set where it is to be, and still set where the entry is unlocked."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "lock":
            if not node.args:
                yield replaced(source, node, ast.unparse(node.func.value))
        elif called(node) in ("dax_unlock_entry", "store"):
            (*_, entry) = call_of(node).args
            if isinstance(entry, ast.Name) and "unlock" in f"{called(node)} {source.tree.name}":
                yield replaced(source, entry, f"{entry.id}.lock()")
