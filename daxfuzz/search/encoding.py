"""Values as bytes, so that different values never look alike."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

from daxfuzz.sim import Shared, Task

VERSION = 2
"""The version of marshal that neither refers back to earlier objects nor tells interned strings from others."""

STRUCTURED = b"\x01"
"""Begins what marshal could not encode as it is; no encoding by marshal begins so."""

Form = Callable[[Any], Any]


@runtime_checkable
class Stateful(Protocol):
    """What says itself what it is, though it is not shared: see Shared.state."""

    def state(self) -> Hashable: ...


class Encoder:
    """Encodes the values that shared objects hold and that accesses return.

    ``==`` takes True for 1 and ``hash`` takes -1 for -2; an encoding takes nothing for anything else. Numbers,
    strings, None, tuples, lists, sets, dicts and ranges are encoded by what is in them, and so are named tuples, enums,
    dataclasses and what has a ``state()`` without being shared, each with its class. Anything else is a thing of its
    own, encoded by which one it is and never by what is in it: something that all executions of a world have.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        # An id is not used again as long as its object lives.
        self._things: list[object] = []
        self._forms: dict[type, Form] = {
            tuple: lambda value: ("tuple", *map(self._plain, value)),
            list: lambda value: ("list", *map(self._plain, value)),
            dict: lambda value: ("dict", *sorted((self.encode(key), self.encode(value[key])) for key in value)),
            set: lambda value: ("set", *sorted(map(self.encode, value))),
            frozenset: lambda value: ("set", *sorted(map(self.encode, value))),
            range: lambda value: ("range", value.start, value.stop, value.step),
        }
        for kind in (int, bool, float, str, bytes, type(None)):
            self._forms[kind] = _itself

    def encode(self, value: Any) -> bytes:
        """The value as bytes. Raises TypeError for one that is neither data nor compared by identity."""
        try:
            return marshal.dumps(value, VERSION)
        except ValueError:
            return STRUCTURED + marshal.dumps(self._plain(value), VERSION)

    def digest(self, *values: Any) -> int:
        """128 bits that stand for some values."""
        return digest(self.encode(values))

    def _plain(self, value: Any) -> Any:
        """The value in terms of what marshal knows; a tuple begins with what it is."""
        kind = type(value)
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = self._form(kind)
        return form(value)

    def _form(self, kind: type) -> Form:
        """How values of a class are taken apart."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if issubclass(kind, Enum):
            return lambda value: (name, value.name)
        if issubclass(kind, tuple):
            return lambda value: (name, *map(self._plain, value))
        if issubclass(kind, Task):
            return lambda value: ("task", value.index)
        if issubclass(kind, Shared):
            return lambda value: ("shared", self._number(value))
        if issubclass(kind, Stateful):
            return lambda value: (name, self._plain(value.state()))
        if is_dataclass(kind) and kind.__eq__ is not object.__eq__:
            names = tuple(field.name for field in fields(kind))
            return lambda value: (name, *[self._plain(getattr(value, each)) for each in names])
        if kind.__eq__ is object.__eq__:
            return lambda value: (name, self._number(value))
        raise TypeError(f"values of {name} have no encoding")

    def _number(self, value: object) -> int:
        """Which thing it is."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._things)
            self._things.append(value)
        return number


def digest(encoding: bytes) -> int:
    """128 bits that stand for an encoding."""
    return int.from_bytes(blake2b(encoding, digest_size=16).digest(), "big")


def _itself(value: Any) -> Any:
    return value
