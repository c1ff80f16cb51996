"""What is said to somebody who wrote a wrong input."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 60
"""Characters of a stranger's text that a message repeats."""


class InputError(Exception):
    """An input that cannot be used. Its text is one line, ``path:line: key: message``.

    path: the file, or a name in angle brackets for text from elsewhere.
    line: counted from 1; None if the whole file is meant.
    key: where in the document, as ``tasks.getter[3]``; empty if there is no such place.
    message: what is wrong and what is allowed.
    """

    def __init__(self, path: str, line: int | None, key: str, message: str) -> None:
        super().__init__(path, line, key, message)
        self.path = path
        self.line = line
        self.key = key
        self.message = message

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return one_line(": ".join(part for part in (place, self.key, self.message) if part))


def one_line(text: str) -> str:
    """`text` with everything that is not printable (line ends, terminal escapes) written as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown(text: str) -> str:
    """`text` in double quotes for a message: one line, and cut if it is long."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return f'"{one_line(cut)}"'


def did_you_mean(wrong: str, allowed: Iterable[str]) -> str:
    """`` (did you mean "x"?)`` with the allowed name nearest to `wrong`; empty if none is near."""
    # Matching takes quadratic time, and nothing this long is a slip of the pen.
    near = get_close_matches(wrong, list(allowed), n=1) if len(wrong) <= _SHOWN else []
    return f" (did you mean {shown(near[0])}?)" if near else ""
