"""Steps that are dropped or done twice: references, waits, pages of a range."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Change, change, dropper, remover, replaced
from daxfuzz.bench.audit.roles import call_of, called, stated
from daxfuzz.bench.audit.source import Edit, Source, statement


def counts(source: Source, sign: int) -> Iterator[ast.stmt]:
    """Statements that add to a count, or take from it."""
    for each in source.statements:
        awaited = stated(each)
        if awaited is not None and called(awaited) == "add":
            negative = ast.unparse(call_of(awaited).args[0]).startswith("-")
            if negative == (sign < 0):
                yield each


def drop_get(source: Source) -> Iterator[Change]:
    """A reference is not taken."""
    yield from dropper(roles.GETS)(source)
    for each in counts(source, 1):
        yield change(source, each, remover(each))
    for node in ast.walk(source.tree):
        if called(node) in roles.BOOLEAN_GETS and not isinstance(source.parents[node][0], ast.Expr):
            yield replaced(source, node, "True")


def puts(source: Source) -> Iterator[ast.stmt]:
    """Statements that drop references."""
    for each in source.statements:
        awaited = stated(each)
        if awaited is not None and called(awaited) in roles.PUTS:
            yield each
    yield from counts(source, -1)


def drop_put(source: Source) -> Iterator[Change]:
    """A reference is kept."""
    for each in puts(source):
        yield change(source, each, remover(each))


def double_put(source: Source) -> Iterator[Change]:
    """A reference is dropped twice."""
    for each in puts(source):
        if called(stated(each)) not in roles.UNDOES:
            yield change(source, each, doubler(each))


def doubler(each: ast.stmt) -> Callable[[Edit], None]:
    """Does a statement twice."""
    return lambda edit: edit.insert(each, statement(ast.unparse(each)))


def skip_wait(source: Source) -> Iterator[Change]:
    """A search for users of pages, or a wait for them, is taken for done; so is a wait for wakers."""
    yield from dropper(roles.WAITS)(source)
    for node in ast.walk(source.tree):
        answer = roles.SKIPPED_WAITS.get(called(node))
        if answer is not None:
            yield replaced(source, node, answer)


def short_range(source: Source) -> Iterator[Change]:
    """The last page of a range is left out when mappings or entries are removed, or searched for users."""
    for node in ast.walk(source.tree):
        if called(node) in roles.RANGES and len(call_of(node).args) >= 3:
            last = call_of(node).args[2]
            yield replaced(source, last, f"{ast.unparse(last)} - 1")
