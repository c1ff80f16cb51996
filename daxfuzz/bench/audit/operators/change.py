"""Changes of a function, and how to make simple ones."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.roles import called, stated
from daxfuzz.bench.audit.source import Edit, Source, expression

TRUE = "true"
FALSE = "false"

LEAVES = (ast.Return, ast.Break, ast.Continue, ast.Raise)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a function.

    at: the node whose line is shown.
    statements: as long as none of them is run, the changed function does the same as the original one.
    apply: changes a copy.
    outcome: if it is not empty, the change matters only where the expression `at` comes out like that: TRUE or FALSE;
        or, for a comparison, the name of another operator, which says the opposite.
    """

    at: ast.expr | ast.stmt
    statements: tuple[ast.stmt, ...]
    apply: Callable[[Edit], None]
    outcome: str = ""


Operator = Callable[[Source], Iterator[Change]]


def change(source: Source, node: ast.expr | ast.stmt, apply: Callable[[Edit], None]) -> Change:
    """A change at one node."""
    return Change(node, (source.statement_of(node),), apply)


def remover(*statements: ast.stmt) -> Callable[[Edit], None]:
    """Takes statements out."""

    def apply(edit: Edit) -> None:
        for each in statements:
            edit.remove(each)

    return apply


def dropper(names: frozenset[str]) -> Operator:
    """Drops one statement that awaits one of these functions."""

    def drop(source: Source) -> Iterator[Change]:
        for each in source.statements:
            awaited = stated(each)
            if awaited is not None and called(awaited) in names:
                yield change(source, each, remover(each))

    return drop


def replaced(source: Source, node: ast.AST, text: str) -> Change:
    """A change of one expression."""
    assert isinstance(node, ast.expr)
    return change(source, node, lambda edit: edit.replace(node, expression(text)))


def forced(source: Source, node: ast.expr, value: bool) -> Change:
    """Has a condition come out always in the same way.

    It is looked at all the same, so that nothing changes where it comes out like that; but not if the look takes or
    drops something.
    """
    if any(name in roles.HOLDS | roles.COUNTED | roles.STEPS for name in roles.awaits(node)):
        return replaced(source, node, str(value))

    def apply(edit: Edit) -> None:
        edit.replace(node, ast.BoolOp(ast.Or() if value else ast.And(), [edit.of(node), ast.Constant(value)]))

    return Change(node, (source.statement_of(node),), apply, FALSE if value else TRUE)


def asserts(source: Source, each: Change) -> bool:
    """Whether nothing but a warning depends on a change of a condition."""
    branch = source.statement_of(each.at)
    return bool(each.outcome) and isinstance(branch, ast.If) and warns(branch.body[0])


def warns(each: ast.stmt) -> bool:
    """Whether a statement warns."""
    match each:
        case ast.Expr(ast.Call(ast.Attribute(attr="warn" | "bug"))):
            return True
    return False


def before(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether a statement stands above another."""
    return (one.lineno, one.col_offset) < (other.lineno, other.col_offset)


def leaves(each: ast.stmt) -> bool:
    """Whether a statement may end more than itself."""
    return any(isinstance(node, LEAVES) for node in ast.walk(each))
