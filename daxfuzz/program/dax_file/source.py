"""The text of a case file before it is parsed: its nesting, and where each key stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from daxfuzz.program.calls import is_name
from daxfuzz.program.dax_file.limits import (
    MAX_NESTING,
    Key,
)
from daxfuzz.program.errors import InputError, shown


@dataclass(frozen=True)
class Source:
    """The text that is being read, to say where in it something is wrong."""

    path: str
    text: str

    def error(self, key: Key, message: str) -> InputError:
        """The error to raise for what is at `key`."""
        lines = Locator(self.text).lines
        known = (key[:length] for length in range(len(key), 0, -1))
        line = next((lines[prefix] for prefix in known if prefix in lines), 1)
        return InputError(self.path, line, written(key), message)


def written(key: Key) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in key)
    return "".join(parts).removeprefix(".")


def _short(part: str) -> str:
    return part if is_name(part) else shown(part)


_TOKEN = re.compile(
    r'''
    (?P<string>
        """ (?: [^"\\]+ | \\[\s\S] | "(?!"") )* (?: "{3,5} | \\?\Z )
      | \'\'\' (?: [^']+ | '(?!\'\') )* (?: '{3,5} | \Z )
      | " (?: [^"\\\n]+ | \\[^\n] )* "?
      | ' [^'\n]* '?
    )
  | (?P<comment> \#[^\n]* )
  | (?P<mark> [][{}=,.\n] )
  | (?P<word> [^][{}=,.\n\#"'\ \t\r]+ )
    ''',
    re.VERBOSE,
)
"""TOML's tokens, as far as finding brackets and keys needs them.

What follows a repetition always matches where it ends, so that nothing backtracks and it takes linear time. Possessive
repetitions would say so, but Python 3.11.2, which Debian 12 has, gets them wrong.
"""


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each token; the kind of a mark is the mark itself."""
    line = 1
    for match in _TOKEN.finditer(text):
        token = match.group()
        kind = match.lastgroup or ""
        yield (token if kind == "mark" else kind), token, line
        line += token.count("\n")


def check_nesting(path: str, text: str) -> None:
    depth = dots = 0
    for kind, _, line in _tokens(text):
        match kind:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth = max(0, depth - 1)
            case ".":
                dots += 1
            case "\n":
                dots = 0
        if max(depth, dots) > MAX_NESTING:
            raise InputError(path, line, "", f"nested too deeply: at most {MAX_NESTING} levels")


class Locator:
    """Finds the line of every key and array element; made only once something is wrong.

    The text need not be valid: places found before the first flaw are right.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._table: Key = ()
        self._parts: list[str] = []
        self._stack: list[tuple[Key, int]] = []
        """Open arrays as (key, index of the element), and inline tables as (key, -1)."""
        self._path: Key = ()
        self._in_header = False
        self._in_value = False
        for kind, token, line in _tokens(text):
            self._take(kind, token, line)

    def _take(self, kind: str, token: str, line: int) -> None:
        match kind:
            case "\n":
                self._end_line()
            case "=":
                self._end_key(line)
            case ",":
                self._next_element()
            case "[" | "{":
                self._open(kind, line)
            case "]" | "}":
                self._close(line)
            case "word" | "string":
                self._text(token, line)

    def _text(self, token: str, line: int) -> None:
        if self._in_value:
            self.lines.setdefault(self._path, line)
        else:
            self._parts.append(token.strip("\"'"))

    def _end_line(self) -> None:
        if not self._stack:
            self._parts.clear()
            self._in_header = self._in_value = False

    def _end_key(self, line: int) -> None:
        if self._in_value:
            return
        base = self._stack[-1][0] if self._stack else self._table
        self._path = (*base, *self._parts)
        for length in range(len(base) + 1, len(self._path) + 1):
            self.lines.setdefault(self._path[:length], line)
        self._parts.clear()
        self._in_value = True

    def _open(self, kind: str, line: int) -> None:
        if not self._in_value:
            self._in_header = True
            return
        self.lines.setdefault(self._path, line)
        self._stack.append((self._path, 0 if kind == "[" else -1))
        self._in_value = kind == "["
        if self._in_value:
            self._path = (*self._path, 0)

    def _next_element(self) -> None:
        if not self._stack:
            return
        key, index = self._stack[-1]
        if index < 0:
            self._in_value = False
            self._parts.clear()
        else:
            self._stack[-1] = (key, index + 1)
            self._path = (*key, index + 1)

    def _close(self, line: int) -> None:
        if self._in_header and self._parts:
            self._table = tuple(self._parts)
            self.lines.setdefault(self._table, line)
            self._parts.clear()
        elif self._stack:
            self._path = self._stack.pop()[0]
            self._in_value = True
