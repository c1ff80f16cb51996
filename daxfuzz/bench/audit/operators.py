"""The operators: what is dropped, weakened or moved to make a mutant.

An operator looks at the tree of one function and yields changes of it. Where it stands in OPERATORS, and the order of
the source, number the changes; none of them depends on a protocol.

Not changed: transactions, plain stores to fields, and lookups of extents, which are no steps of the protocol;
structures that are no subsystem (the xarray, lists of free blocks, the journal).

Nor what only asserts: a condition of which a warning comes. A mutant of it would warn less, which can hide nothing that
goes wrong without it, or warn of nothing. And not the order of two steps that nobody can tell: of changes of the page
cache, all of them under one hold of xa_lock, and of locks that are dropped one after the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.roles import call_of, called, receiver, stated
from daxfuzz.bench.audit.source import VARIANTS, Edit, Source, expression, statement

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


# -- steps that are dropped ------------------------------------------------------------------------------------------


def dropper(names: frozenset[str]) -> Operator:
    """Drops one statement that awaits one of these functions."""

    def drop(source: Source) -> Iterator[Change]:
        for each in source.statements:
            awaited = stated(each)
            if awaited is not None and called(awaited) in names:
                yield change(source, each, remover(each))

    return drop


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


# -- locks -----------------------------------------------------------------------------------------------------------


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


def before(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether a statement stands above another."""
    return (one.lineno, one.col_offset) < (other.lineno, other.col_offset)


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


# -- wakes and waits -------------------------------------------------------------------------------------------------


def wake_one(source: Source) -> Iterator[Change]:
    """One waiter is woken in place of all."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "WakeMode.WAKE_ALL":
            yield replaced(source, node, "WakeMode.WAKE_NEXT")
        elif called(node) == "wake" and len(call_of(node).args) > 1 and ast.unparse(call_of(node).args[1]) == "0":
            yield replaced(source, call_of(node).args[1], "1")
        elif called(node) == "wake_up_var":
            yield replaced(source, call_of(node).func, f"{VARIANTS}.wake_up_var_one")


def wake_other_key(source: Source) -> Iterator[Change]:
    """Waiters for something else are woken, or nothing is waited for under the key that is woken."""
    for node in ast.walk(source.tree):
        if called(node) == "wake_up_var":
            key = call_of(node).args[1]
            text = ast.unparse(key)
            yield replaced(source, key, other_address(text))
        elif called(node) == "dax_wake_entry":
            index = call_of(node).args[1]
            yield replaced(source, index, f"{ast.unparse(index)} + 1")
    for each in source.statements:
        if isinstance(each, ast.Return) and each.value is not None and source.tree.name.endswith("_address"):
            yield replaced(source, each.value, other_address(ast.unparse(each.value)))
        elif isinstance(each, ast.If) and source.tree.name.endswith("waitqueue"):
            yield replaced(source, each.test, "False")


def other_address(text: str) -> str:
    """Another address of the same object."""
    if text.endswith(".refcount_address"):
        return text.removesuffix("refcount_address") + "address"
    return f"{text} + 1"


def early_wake(source: Source) -> Iterator[Change]:
    """The count is looked at and the waiters are woken before the reference is dropped."""
    for each in source.statements:
        if not isinstance(each, ast.If) or not any(name in roles.WAKES for name in roles.awaits(each)):
            continue
        for node in ast.walk(each.test):
            count = count_after(node)
            if count is not None and not each.orelse:
                yield change(source, each, waker(each, node, count))


def count_after(node: ast.AST) -> str | None:
    """What a decrement will leave of a count, as a look at it would say before."""
    if called(node) == "add_return":
        return f"(await {receiver(node)}.read()) + ({ast.unparse(call_of(node).args[0])})"
    if called(node) == "page_ref_sub_return":
        page, refs = map(ast.unparse, call_of(node).args)
        return f"(await {page}.refcount.read()) - {refs}"
    return None


def waker(each: ast.If, decrement: ast.AST, count: str) -> Callable[[Edit], None]:
    """Moves a decrement behind the branch that depends on it."""

    def apply(edit: Edit) -> None:
        late = ast.Expr(edit.of(decrement))
        edit.replace(decrement, expression(count))
        edit.insert(each, late, after=True)

    return apply


def check_first(source: Source) -> Iterator[Change]:
    """The condition of a wait is looked at before the waiter is queued, in place of after."""
    yield from waiting(source, "checked_first")


def signal_first(source: Source) -> Iterator[Change]:
    """A signal ends a wait whose condition holds."""
    yield from waiting(source, "signal_first")


def waiting(source: Source, variant: str) -> Iterator[Change]:
    """Other forms of wait_event and wait_var_event."""
    for node in ast.walk(source.tree):
        if called(node) in ("wait_event", "wait_var_event"):
            interruptible = "UNINTERRUPTIBLE" not in ast.unparse(node)
            if interruptible or variant != "signal_first":
                yield replaced(source, call_of(node).func, f"{VARIANTS}.{called(node)}_{variant}")


def exclusive_wait(source: Source) -> Iterator[Change]:
    """A waiter that never passes a wake on waits exclusively."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "WaitEntry" and not node.keywords:
            text = f"{ast.unparse(node)[:-1]}, exclusive=True)"
            yield replaced(source, node, text)


# -- checks and retries ----------------------------------------------------------------------------------------------


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


# -- order -----------------------------------------------------------------------------------------------------------


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


def leaves(each: ast.stmt) -> bool:
    """Whether a statement may end more than itself."""
    return any(isinstance(node, LEAVES) for node in ast.walk(each))


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
        hidden = all(name in roles.PAGE_CACHE for each in (first, second) for name in roles.awaits(each))
        if not hidden and (not any(locking) or (takes(first) and takes(second))):
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


# -- ranges ----------------------------------------------------------------------------------------------------------


def short_range(source: Source) -> Iterator[Change]:
    """The last page of a range is left out when mappings or entries are removed, or searched for users."""
    for node in ast.walk(source.tree):
        if called(node) in roles.RANGES and len(call_of(node).args) >= 3:
            last = call_of(node).args[2]
            yield replaced(source, last, f"{ast.unparse(last)} - 1")


OPERATORS: Final[dict[str, Operator]] = {
    "drop-wake": dropper(roles.WAKES),
    "wake-one": wake_one,
    "wake-other-key": wake_other_key,
    "early-wake": early_wake,
    "check-first": check_first,
    "signal-first": signal_first,
    "exclusive-wait": exclusive_wait,
    "skip-wait": skip_wait,
    "drop-lock": drop_lock,
    "late-lock": late_lock,
    "early-unlock": early_unlock,
    "keep-lock": keep_lock,
    "drop-unlock": drop_unlock,
    "drop-relock": drop_relock,
    "share-lock": share_lock,
    "lock-bit": lock_bit,
    "drop-recheck": drop_recheck,
    "drop-branch": drop_branch,
    "drop-condition": drop_condition,
    "answer-yes": answers(True),
    "answer-no": answers(False),
    "weaken-comparison": weaken_comparison,
    "no-retry": no_retry,
    "drop-get": drop_get,
    "drop-put": drop_put,
    "double-put": double_put,
    "drop-association": dropper(roles.ASSOCIATIONS),
    "drop-flush": dropper(roles.FLUSHES),
    "drop-unmap": dropper(roles.UNMAPS),
    "drop-entry": dropper(roles.ENTRIES),
    "short-range": short_range,
    "swap": swap,
    "late-step": late_step,
    "early-step": early_step,
    "early-recheck": early_recheck,
    "early-unmap": early_unmap,
}
"""All operators, by the name that mutants bear."""
