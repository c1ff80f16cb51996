"""Steps that are done earlier or later."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Change, before, leaves
from daxfuzz.bench.audit.roles import called, stated
from daxfuzz.bench.audit.source import Edit, Source, expression, statement


def neighbours(source: Source) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Statements next to each other that may change places: both have steps, and neither needs the other."""
    for block in source.blocks:
        for first, second in pairwise(block):
            if (
                all(any(True for _ in roles.awaits(each)) for each in (first, second))
                and (roles.is_step(first) or roles.is_step(second))
                and roles.changes(first) | roles.changes(second)
                and not leaves(first)
                and (isinstance(second, ast.Return) or not leaves(second))
                and independent(first, second)
            ):
                yield first, second


def independent(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether two statements use no local variable that the other one sets."""
    return not (names(first, ast.Store) & names(second) or names(second, ast.Store) & names(first))


def names(each: ast.AST, how: type[ast.expr_context] = ast.expr_context) -> set[str]:
    """Local variables that a statement uses, or sets."""
    return {node.id for node in ast.walk(each) if isinstance(node, ast.Name) and isinstance(node.ctx, how)}


def takes(each: ast.stmt) -> bool:
    """Whether a statement does nothing but to take a lock."""
    awaited = stated(each)
    return awaited is not None and called(awaited) in roles.LOCKS


def drops(each: ast.stmt) -> bool:
    """Whether a statement does nothing but to drop a lock."""
    awaited = stated(each)
    return awaited is not None and called(awaited) in roles.UNLOCKS


def may_drop(each: ast.stmt) -> bool:
    """Whether a statement does nothing but to drop locks, maybe only in some state."""
    if isinstance(each, ast.If):
        return not any(True for _ in roles.awaits(each.test)) and all(map(may_drop, (*each.body, *each.orelse)))
    return drops(each)


def hidden(*statements: ast.stmt) -> bool:
    """Whether nobody can tell the order of statements, which all run under one hold of xa_lock."""
    return all(name in roles.PAGE_CACHE for each in statements for name in roles.awaits(each))


def late_lock(source: Source) -> Iterator[Change]:
    """A lock is taken one step later."""
    for first, second in neighbours(source):
        if takes(first) and not takes(second):
            yield Change(first, (first, second), swapper(first, second))


def early_unlock(source: Source) -> Iterator[Change]:
    """A lock is dropped one step earlier."""
    for first, second in neighbours(source):
        if drops(second) and not may_drop(first) and not takes(first):
            yield Change(second, (first, second), swapper(first, second))


def swap(source: Source) -> Iterator[Change]:
    """Two steps change places. Not those that only get under a lock by that."""
    for first, second in neighbours(source):
        locking = [takes(each) or drops(each) for each in (first, second)]
        if not hidden(first, second) and (not any(locking) or (takes(first) and takes(second))):
            yield Change(first, (first, second), swapper(first, second))


def swapper(first: ast.stmt, second: ast.stmt) -> Callable[[Edit], None]:
    """Puts the first statement behind the second, before which it is."""

    def apply(edit: Edit) -> None:
        moved = edit.of(first)
        if isinstance(second, ast.Return):
            result = ast.Assign([ast.Name("result_", ast.Store())], edit.of(second).value, lineno=second.lineno)
            edit.replace(first, result)
            edit.replace(second, moved, ast.copy_location(statement("return result_"), second))
        else:
            edit.remove(first)
            edit.insert(second, moved, after=True)

    return apply


def late_step(source: Source) -> Iterator[Change]:
    """The last step of a branch is taken after what follows the branch."""
    for each in source.statements:
        awaited = stated(each)
        if awaited is None or called(awaited) not in roles.STEPS or takes(each):
            continue
        block = source.block_of(each)
        outer = source.parents[each][0]
        if block[-1] is not each or not isinstance(outer, ast.If):
            continue
        following = behind(source, outer)
        if (
            following is not None
            and roles.is_step(following)
            and not leaves(following)
            and not (drops(each) and may_drop(following))
            and not hidden(each, following)
            and independent(each, following)
        ):
            yield Change(each, (each,), delayer(source, each, following))


def behind(source: Source, branch: ast.If) -> ast.stmt | None:
    """The statement after a branch, or after the branches that it ends."""
    node: ast.stmt = branch
    while True:
        block = source.block_of(node)
        at = next(i for i, each in enumerate(block) if each is node)
        if at + 1 < len(block):
            return block[at + 1]
        outer = source.parents[node][0]
        if not isinstance(outer, ast.If):
            return None
        node = outer


def delayer(source: Source, each: ast.stmt, following: ast.stmt) -> Callable[[Edit], None]:
    """Moves a statement of a branch behind a statement after it."""

    def apply(edit: Edit) -> None:
        moved = edit.of(each)
        edit.replace(each, ast.copy_location(statement("late_ = True"), each))
        again = ast.If(expression("late_"), [moved], [])
        edit.insert(following, again, after=True)
        first = source.tree.body[0]
        edit.insert(first, statement("late_ = False"))
        # A loop comes by here again.
        again.body.append(ast.copy_location(statement("late_ = False"), each))

    return apply


def early_step(source: Source) -> Iterator[Change]:
    """What is done last in a function is done before the step whose result it does not need."""
    for block in source.blocks:
        for first, middle, last in zip(block, block[1:], block[2:], strict=False):
            steps = [stated(each) for each in (first, last)]
            if (
                all(step is not None and called(step) in roles.STEPS for step in steps)
                and not any(True for _ in roles.awaits(middle))
                and not leaves(middle)
                and all(independent(last, each) for each in (first, middle))
                and not takes(last)
                and not drops(first)
                and not takes(first)
            ):
                yield Change(first, (first,), mover(first, last))


def mover(first: ast.stmt, last: ast.stmt) -> Callable[[Edit], None]:
    """Puts a statement before another one that is above it."""

    def apply(edit: Edit) -> None:
        moved = edit.of(last)
        edit.remove(last)
        edit.insert(first, moved)

    return apply


def early_recheck(source: Source) -> Iterator[Change]:
    """A look at shared state is taken before the lock, the reference or the place in a queue that it relies on."""
    for block in source.blocks:
        for at, each in enumerate(block):
            if not isinstance(each, ast.If | ast.Return):
                continue
            test = each.test if isinstance(each, ast.If) else each.value
            held = next((i for i in range(at - 1, -1, -1) if holds(block[i])), None)
            if test is None or held is None:
                continue
            for node in ast.walk(test):
                if not isinstance(node, ast.Await) or called(node) not in roles.LOOKS or not always(test, node):
                    continue
                if all(independent(ast.Expr(node), other) for other in block[held:at]):
                    yield Change(each, (block[held],), hoister(block[held], node))


def holds(each: ast.stmt) -> bool:
    """Whether a statement takes something that a look at shared state after it relies on."""
    return any(name in roles.HOLDS for name in roles.awaits(each))


def always(test: ast.expr, look: ast.AST) -> bool:
    """Whether an expression evaluates the look first."""
    first = test
    while first is not look:
        match first:
            case ast.BoolOp(values=[value, *_]):
                first = value
            case ast.UnaryOp(operand=value) | ast.Compare(left=value):
                first = value
            case _:
                return False
    return True


def hoister(before: ast.stmt, look: ast.AST) -> Callable[[Edit], None]:
    """Evaluates an expression before a statement, and uses the value."""

    def apply(edit: Edit) -> None:
        value = edit.of(look)
        edit.replace(look, ast.Name("early_", ast.Load()))
        edit.insert(before, ast.Assign([ast.Name("early_", ast.Store())], value))

    return apply


def early_unmap(source: Source) -> Iterator[Change]:
    """Mappings and entries are removed before somebody has waited for the users of their pages."""
    for each in source.statements:
        awaited = stated(each)
        if awaited is None or called(awaited) not in roles.UNMAPS:
            continue
        for wait in source.statements:
            waits = isinstance(wait, ast.Assign) and called(wait.value) in roles.SKIPPED_WAITS
            if waits and before(wait, each) and not later_names(source, wait) & names(each):
                yield Change(each, (wait,), mover(wait, each))


def later_names(source: Source, start: ast.stmt) -> set[str]:
    """Local variables that are set at a statement or below."""
    return {
        node.id
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno >= start.lineno
    }
