"""Which lines of the model a run executes: the statements of its functions, by place in the source."""

from __future__ import annotations

import ast
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from daxfuzz.engines.points import MODEL

Line = tuple[str, int]
"""(path of the file, line on which a statement begins)"""

Tracer = Callable[[types.FrameType, str, Any], Any]


class LineRecorder:
    """Notes the lines of the model that run while :meth:`recording`. A line that is known costs nothing again."""

    def __init__(self) -> None:
        # By identity: the hash of a code object is that of all its contents.
        self._codes: dict[int, tuple[types.CodeType, set[int]]] = {}
        self._locals: dict[int, Tracer | None] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Trace this thread for the time of the block."""
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def lines(self) -> frozenset[Line]:
        """The first lines of the statements that have run."""
        found = []
        for code, left in self._codes.values():
            if code.co_name != "<module>":
                starts = _starts(code.co_filename)
                found += [(code.co_filename, starts[line]) for line in _lines_of(code) - left if line in starts]
        return frozenset(found)

    def _call(self, frame: types.FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        key = id(code)
        if key not in self._locals:
            self._locals[key] = self._tracer(code) if any(part in code.co_filename for part in MODEL) else None
        return self._locals[key]

    def _tracer(self, code: types.CodeType) -> Tracer:
        left = _lines_of(code)
        self._codes[id(code)] = (code, left)
        locals_, key = self._locals, id(code)

        def trace(frame: types.FrameType, event: str, arg: Any) -> Any:
            if event == "line":
                left.discard(frame.f_lineno)
                if not left:
                    locals_[key] = None
            return trace

        return trace


def _lines_of(code: types.CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line is not None}


def statements(files: Iterable[str]) -> dict[Line, str]:
    """The statements of all functions of some files, each with the full name of its function.

    Without those of functions that a subclass has to replace or that only debuggers call, and without docstrings.
    """
    found: dict[Line, str] = {}
    for file in files:
        for node, name, _ in _parsed(file):
            found.setdefault((file, node.lineno), name)
    return found


def assertions(files: Iterable[str]) -> frozenset[Line]:
    """Those of the statements that do nothing but report a state that must not be: calls of Kernel.warn and bug, and of
    functions that do nothing else."""
    calls = [(file, node.lineno, name, _called(node)) for file in files for node, name, _ in _parsed(file)]
    others = {name for _, _, name, called in calls if called not in _REPORTS}
    reporters = {name for _, _, name, _ in calls} - others
    names = {*_REPORTS, *("self." + name.rpartition(".")[2] for name in reporters)}
    return frozenset((file, line) for file, line, _, called in calls if called in names)


@cache
def _starts(file: str) -> dict[int, int]:
    """For each line of a file that belongs to a statement of a function, the line on which that begins."""
    return {line: node.lineno for node, _, end in _parsed(file) for line in range(node.lineno, end + 1)}


@cache
def _parsed(file: str) -> tuple[tuple[ast.stmt, str, int], ...]:
    """(statement, function, its last line; that of its head if it contains others) of all functions of a file."""
    with open(file, encoding="utf-8") as source:
        return tuple(_walk(ast.parse(source.read()).body, "", False))


_REPORTS = ("self.k.warn", "self.k.bug")
"""What assertions call."""

_SILENT = (ast.Try, ast.Global, ast.Nonlocal)
"""Statements that do nothing themselves."""


def _walk(body: list[ast.stmt], scope: str, function: bool) -> Iterator[tuple[ast.stmt, str, int]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == "__repr__":
                continue
            name = f"{scope}.<locals>.{node.name}" if function else f"{scope}.{node.name}".lstrip(".")
            if function:
                yield node, scope, node.body[0].lineno - 1
            yield from _walk(node.body, name, function or not isinstance(node, ast.ClassDef))
            continue
        inner = [block for block in _blocks(node) if block]
        if function and not isinstance(node, _SILENT) and not _is_nothing(node):
            first = min((block[0].lineno for block in inner), default=None)
            yield node, scope, (node.end_lineno or node.lineno) if first is None else max(first - 1, node.lineno)
        for block in inner:
            yield from _walk(block, scope, function)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements inside a statement."""
    for field in ("body", "orelse", "finalbody"):
        yield getattr(node, field, [])
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def _is_nothing(node: ast.stmt) -> bool:
    """A docstring, a declaration, or what stands in for a function of a subclass."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return True
    return isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)


def _called(node: ast.stmt) -> str:
    """What a statement that is nothing but a call calls; "" for any other."""
    return ast.unparse(node.value.func) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else ""


def relative(file: str) -> str:
    """A file of the package as it is named from its root."""
    return os.path.join("daxfuzz", file.rpartition("/daxfuzz/")[2])
