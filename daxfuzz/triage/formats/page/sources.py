"""The functions of the model that a trace goes through, as text."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from daxfuzz.triage.trace import Place
from daxfuzz.triage.trace.places import TOP


@dataclass(frozen=True, slots=True)
class Source:
    """A function. line: the number of its first line; text: its lines, not indented more than needed."""

    line: int
    text: str


def sources_of(places: Iterable[Place], files: Iterable[str]) -> dict[Place, Source]:
    """The innermost function around each place, as far as its file can be read.

    files: the user's own ones, which places name without their folders.
    """
    own = {Path(file).name: file for file in files}
    found = {}
    for place in places:
        path = str(TOP / place.file) if place.file.startswith("daxfuzz/") else own.get(place.file, "")
        source = _function_at(path, place.line)
        if source is not None:
            found[place] = source
    return found


@cache
def _function_at(path: str, line: int) -> Source | None:
    around = [node for node in _functions(path) if node[0] <= line <= node[1]]
    if not around:
        return None
    first, last = max(around)
    lines = [each.rstrip("\n") for each in linecache.getlines(path)[first - 1 : last]]
    indent = min(len(each) - len(each.lstrip()) for each in lines if each.strip())
    return Source(first, "\n".join(each[indent:] for each in lines))


@cache
def _functions(path: str) -> tuple[tuple[int, int], ...]:
    """First and last lines of the functions of a file; none if it cannot be read."""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return ()
    return tuple(_spans(tree))


def _spans(tree: ast.AST) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield first, node.end_lineno or node.lineno
