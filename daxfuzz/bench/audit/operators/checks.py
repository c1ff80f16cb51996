"""Checks, answers and retries that are dropped or weaker."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import LEAVES, Change, Operator, change, forced, replaced
from daxfuzz.bench.audit.roles import called, stated
from daxfuzz.bench.audit.source import Edit, Source


def drop_recheck(source: Source) -> Iterator[Change]:
    """A look under a lock or with a reference counts as passed: what leaves early does not, what goes on always does.

    Not where all that comes of it is a wake, of which there may be too many.
    """
    for each in source.statements:
        if isinstance(each, ast.If) and source.looks_again(each.test) and not only_wakes(each):
            leaves = isinstance(each.body[-1], LEAVES) and not each.orelse
            yield forced(source, each.test, not leaves)


def only_wakes(each: ast.If) -> bool:
    """Whether a branch does nothing but to wake."""
    return not each.orelse and all(called(stated(part)) in roles.WAKES for part in each.body)


def drop_branch(source: Source) -> Iterator[Change]:
    """What is done only in some state of the kernel is never done."""
    for each in source.statements:
        if not isinstance(each, ast.If) or not source.looks_again(each.test):
            continue
        leaves = isinstance(each.body[-1], LEAVES) and not each.orelse
        alone = len(each.body) == 1 and stated(each.body[0]) is not None
        if not leaves and not alone and any(roles.is_step(part) for part in each.body):
            yield forced(source, each.test, False)


def drop_condition(source: Source) -> Iterator[Change]:
    """One of several conditions is not looked at, of those that look under a lock or with a reference, or in a function
    that answers a question."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                if source.looks_again(value) or (source.returns_bool() and source.depends_on_state(value)):
                    yield forced(source, value, isinstance(node.op, ast.And))


def answers(value: bool) -> Operator:
    """Has a question about shared state always answered in the same way."""

    def answer(source: Source) -> Iterator[Change]:
        for each in source.statements:
            if (
                isinstance(each, ast.Return)
                and isinstance(each.value, ast.BoolOp | ast.Compare | ast.Await | ast.UnaryOp)
                and source.returns in ("bool", "Awaitable[bool]")
                and source.depends_on_state(each.value)
            ):
                yield forced(source, each.value, value)

    return answer


def weaken_comparison(source: Source) -> Iterator[Change]:
    """A comparison with a count is off by one, or looks in one direction only."""
    others: dict[type[ast.cmpop], tuple[ast.cmpop, ...]] = {
        ast.Gt: (ast.GtE(),),
        ast.GtE: (ast.Gt(),),
        ast.Lt: (ast.LtE(),),
        ast.LtE: (ast.Lt(),),
        ast.Eq: (ast.LtE(), ast.GtE()),
    }
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Compare) or not source.depends_on_state(node):
            continue
        if not source.looks_again(node) and not re.search("refs?|count|refcnt|pending", ast.unparse(node)):
            continue
        if len(node.ops) > 1:
            if [type(op) for op in node.ops] == [ast.Lt, ast.LtE]:
                # The threshold is crossed only by who comes to rest on it.
                yield replaced(source, node, f"{ast.unparse(node.left)} == {ast.unparse(node.comparators[0])} - 1")
            continue
        if isinstance(node.ops[0], ast.Eq) and not is_number(node.comparators[0]):
            continue
        branch = source.parents[node][0]
        if isinstance(node.ops[0], ast.Eq) and isinstance(branch, ast.If) and only_wakes(branch):
            continue
        for op in others.get(type(node.ops[0]), ()):
            text = ast.unparse(ast.Compare(node.left, [op], node.comparators))
            yield replace(replaced(source, node, text), at=node, outcome=type(op).__name__)


def is_number(node: ast.expr) -> bool:
    """Whether an expression is a whole number."""
    return isinstance(node, ast.Constant) and type(node.value) is int


def no_retry(source: Source) -> Iterator[Change]:
    """A loop around a step is run once, as if nothing had to be tried or looked at again."""
    for each in source.statements:
        if not isinstance(each, ast.While) or each.orelse or not roles.changes(each):
            continue
        forever = isinstance(each.test, ast.Constant)
        if not forever or any(isinstance(part, ast.Break) for part in own_leaves(each)):
            yield change(source, each, once(each))


def own_leaves(loop: ast.While) -> Iterator[ast.stmt]:
    """The break and continue statements of a loop, without those of loops inside it."""
    waiting: list[ast.AST] = [*loop.body]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Break | ast.Continue):
            yield node
        if not isinstance(node, ast.While | ast.For | ast.AsyncFor | ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def once(loop: ast.While) -> Callable[[Edit], None]:
    """Ends a loop after its first turn."""

    def apply(edit: Edit) -> None:
        for each in own_leaves(loop):
            if isinstance(each, ast.Continue):
                edit.replace(each, ast.copy_location(ast.Break(), each))
        edit.of(loop).body.append(ast.copy_location(ast.Break(), loop))

    return apply
