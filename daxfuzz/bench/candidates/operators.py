"""The operators: what is added, repeated or moved to make a candidate for a repair."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Change, change, leaves, replaced
from daxfuzz.bench.audit.operators.order import independent, swapper
from daxfuzz.bench.audit.roles import called
from daxfuzz.bench.audit.source import Edit, Source, statement

SIM: Final = "__sim__"
"""Name of daxfuzz.sim in changed functions."""

PAGES: Final = ("page", "folio", "head")
"""Names of variables that are a page."""

KEYS: Final = ("address", "refcount_address")
"""What of a page is waited for and woken."""

AHEAD: Final = 4
"""How many statements further down a check is repeated."""


@dataclass(frozen=True, slots=True)
class Operator:
    """summary: of what it does, for a reader. changes: of one function."""

    summary: str
    changes: Callable[[Source], Iterator[Change]]


def add_wake(source: Source) -> Iterator[Change]:
    """Who waits for a page is woken after a step that drops references of it."""
    for each in source.statements:
        for page in dropped(each):
            for key in KEYS:
                wake = f"await {SIM}.wake_up_var(self.k.var_waitqueues, {page}.{key})"
                yield change(source, each, after(each, wake))


def dropped(each: ast.stmt) -> Iterator[str]:
    """Names of the pages whose count a statement takes from."""
    if not isinstance(each, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)):
        return
    for node in ast.walk(each):
        if called(node) in ("add", "add_return", "sub_return", "page_ref_sub_return", *roles.PUTS):
            text = ast.unparse(node)
            yield from (
                page for page in PAGES if f"{page}.refcount" in text or f"({page}," in text or f"({page})" in text
            )


def after(each: ast.stmt, *texts: str) -> Callable[[Edit], None]:
    """Puts statements behind one, also behind the value that it returns."""

    def apply(edit: Edit) -> None:
        more = [statement(text) for text in texts]
        if isinstance(each, ast.Return) and each.value is not None:
            kept = ast.Assign([ast.Name("result_", ast.Store())], edit.of(each).value, lineno=each.lineno)
            edit.replace(each, kept, *more, ast.copy_location(statement("return result_"), each))
        else:
            edit.insert(each, *more, after=True)

    return apply


def wake_all(source: Source) -> Iterator[Change]:
    """All waiters are woken in place of one."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "WakeMode.WAKE_NEXT":
            yield replaced(source, node, "WakeMode.WAKE_ALL")


def other_key(source: Source) -> Iterator[Change]:
    """What is waited for, or woken, is the other key of a page."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in KEYS:
            other = KEYS[1 - KEYS.index(node.attr)]
            yield replaced(source, node, f"{ast.unparse(node.value)}.{other}")


def check_again(source: Source) -> Iterator[Change]:
    """A check of shared state that ends the function is repeated further down."""
    for block in source.blocks:
        for position, each in enumerate(block):
            if (
                not isinstance(each, ast.If)
                or each.orelse
                or not leaves(each)
                or not source.depends_on_state(each.test)
            ):
                continue
            for later in block[position + 1 : position + 1 + AHEAD]:
                if not isinstance(later, ast.Return):
                    yield change(source, each, after(later, ast.unparse(each)))


def check_until(source: Source) -> Iterator[Change]:
    """Who has waited looks again whether it has to: an `if` becomes a `while`."""
    for each in source.statements:
        waits = isinstance(each, ast.If) and any(name in roles.SLEEPS | roles.WAITS for name in roles.awaits(each))
        if isinstance(each, ast.If) and waits and not each.orelse and source.depends_on_state(each.test):
            yield change(source, each, looper(each))


def looper(each: ast.If) -> Callable[[Edit], None]:
    """Makes a branch a loop."""

    def apply(edit: Edit) -> None:
        own = edit.of(each)
        edit.replace(each, ast.copy_location(ast.While(own.test, own.body, []), each))

    return apply


def hold(source: Source) -> Iterator[Change]:
    """A reference of a page is held during a step."""
    pages = [argument.arg for argument in source.tree.args.args if argument.arg in PAGES]
    for page in pages:
        for each in source.statements:
            if isinstance(each, ast.Expr) and any(True for _ in roles.awaits(each)):
                yield change(source, each, holder(each, page))


def holder(each: ast.stmt, page: str) -> Callable[[Edit], None]:
    """Takes a reference before a statement and drops it behind."""

    def apply(edit: Edit) -> None:
        edit.insert(each, statement(f"await {page}.refcount.add(1)"))
        edit.insert(each, statement(f"await self.k.memremap.put_page({page})"), after=True)

    return apply


def reorder(source: Source) -> Iterator[Change]:
    """Two adjacent steps change places."""
    for block in source.blocks:
        for first, second in pairwise(block):
            steps = all(any(True for _ in roles.awaits(each)) for each in (first, second))
            if steps and not leaves(first) and not leaves(second) and independent(first, second):
                yield Change(first, (first, second), swapper(first, second))


OPERATORS: Final[dict[str, Operator]] = {
    "add-wake": Operator("wake who waits for the page after this step", add_wake),
    "wake-all": Operator("wake all waiters here, not one", wake_all),
    "other-key": Operator("wait for, or wake, the other key of the page here", other_key),
    "check-until": Operator("look again after this wait", check_until),
    "check-again": Operator("repeat this check further down", check_again),
    "hold": Operator("hold a reference of the page during this step", hold),
    "reorder": Operator("do this step after the next one", reorder),
}
