"""What checks the values of a TOML document: each error names the file, the line, the key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from daxfuzz.program.dax_file.limits import MAX_SPEC_LENGTH, Key
from daxfuzz.program.dax_file.source import Source
from daxfuzz.program.errors import InputError, did_you_mean, shown

Parser = Callable[[Source, Key, object], Any]
"""Checks what is at a key and turns it into what the case holds; raises InputError."""

_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def expected(source: Source, key: Key, what: str, value: object) -> InputError:
    """The error to raise for a value that is not what it must be."""
    given = shown(value) if isinstance(value, str) else _TYPE_NAMES.get(type(value), "a date or time")
    if type(value) is int and abs(value) < 10**15:
        given = str(value)
    return source.error(key, f"must be {what}, not {given}")


def integer(low: int, high: int) -> Parser:
    """An integer within bounds."""

    def parse(source: Source, key: Key, value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise expected(source, key, f"an integer from {low} to {high}", value)

    return parse


def boolean(source: Source, key: Key, value: object) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise expected(source, key, "true or false", value)


def string(source: Source, key: Key, value: object) -> str:
    """Any string."""
    if isinstance(value, str):
        return value
    raise expected(source, key, "a string", value)


def spec(source: Source, key: Key, value: object) -> str:
    """What may be the name of a protocol, a patch, ...: one line, not too long."""
    if isinstance(value, str) and 0 < len(value) <= MAX_SPEC_LENGTH and value.isprintable():
        return value
    raise expected(source, key, f"a name of 1 to {MAX_SPEC_LENGTH} printable characters", value)


def one_of(kind: type[StrEnum]) -> Parser:
    """A member of an enumeration, by its value."""
    names = choice([each.value for each in kind])
    return lambda source, key, value: kind(names(source, key, value))


def choice(names: Sequence[str]) -> Parser:
    """One of some names."""

    def read(source: Source, key: Key, value: object) -> str:
        if isinstance(value, str) and value in names:
            return value
        near = did_you_mean(value, names) if isinstance(value, str) else ""
        error = expected(source, key, "one of " + ", ".join(map(shown, names)), value)
        raise InputError(error.path, error.line, error.key, error.message + near)

    return read


def array(item: Parser, high: int, what: str) -> Parser:
    """At most `high` items."""

    def parse(source: Source, key: Key, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise expected(source, key, f"an array of {what}", value)
        if len(value) > high:
            raise source.error((*key, high), f"{len(value)} {what} are too many: at most {high}")
        return tuple(item(source, (*key, index), element) for index, element in enumerate(value))

    return parse


def table(keys: Mapping[str, Parser]) -> Parser:
    """A table with keys that the format fixes; all of them may be left out."""

    def parse(source: Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise expected(source, key, "a table", value)
        for name in value:
            if name not in keys:
                near = did_you_mean(name, keys)
                raise source.error((*key, name), f"unknown key{near}; allowed: {', '.join(keys)}")
        return {name: keys[name](source, (*key, name), inner) for name, inner in value.items()}

    return parse


_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def parse_toml(source: Source) -> dict[str, Any]:
    """The document. Raises InputError."""
    try:
        return tomllib.loads(source.text)
    except (ValueError, RecursionError, MemoryError) as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else source.text.count("\n") + 1
        reason = _TOML_PLACE.sub("", str(error)) or type(error).__name__
        raise InputError(source.path, line if place else 1, "", f"not TOML: {reason}") from None
