"""Wakes and waits that are fewer, earlier, or of another kind."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Change, change, replaced
from daxfuzz.bench.audit.roles import call_of, called, receiver
from daxfuzz.bench.audit.source import VARIANTS, Edit, Source, expression


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
