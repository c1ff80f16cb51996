"""What an operation takes and gives back, as data that the parser, the generator and the byte form share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an argument stands for, and how it is written."""

    FILE = "file"
    """Name of a file of the set-up."""
    PAGE = "page"
    """Index of a file page that is reached through the task's mapping of the file, from 0."""
    OFFSET = "offset"
    """Index of a file page that is reached without a mapping, from 0."""
    LENGTH = "length"
    """Number of pages, from 1."""
    SIZE = "size"
    """A file size in pages, from 0 up to the size that the set-up gives the file."""
    REGISTER = "register"
    """A register of the task that an earlier call may have filled with a reference."""
    TASK = "task"
    """Name of a task."""
    FLAG = "flag"
    """One of the parameter's choices, by name."""


class Holds(StrEnum):
    """What a register holds."""

    NOTHING = "nothing"
    GET = "get"
    """A FOLL_GET reference."""
    PIN = "pin"
    """A FOLL_PIN reference."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument.

    choices: names allowed for a FLAG.
    optional: may be left out, also where others follow: a number and a name cannot stand for each other.
    holds: for a REGISTER, what it must hold; NOTHING allows any.
    descriptor: for a FILE, reached through a descriptor that the process has open from the start.
    """

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()
    optional: bool = False
    holds: Holds = Holds.NOTHING
    descriptor: bool = False

    @property
    def number(self) -> bool:
        """Whether it is a number, not a name."""
        return self.kind in (Kind.PAGE, Kind.OFFSET, Kind.LENGTH, Kind.SIZE)


@dataclass(frozen=True, slots=True)
class Signature:
    """One operation.

    result: what the register that the call is assigned to holds afterwards; NOTHING if it cannot be assigned.
    summary: one line for ``daxfuzz list operations``.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: Holds
    summary: str

    def bind(self, arguments: Sequence[int | str]) -> list[tuple[Parameter, int | str | None]]:
        """Each parameter with its argument; None where an optional one is left out, or where there are too few."""
        bound: list[tuple[Parameter, int | str | None]] = []
        rest = list(arguments)
        for parameter in self.parameters:
            fits = bool(rest) and (not parameter.optional or isinstance(rest[0], int) == parameter.number)
            bound.append((parameter, rest.pop(0) if fits else None))
        return bound

    def __str__(self) -> str:
        inner = ", ".join(
            f"[{text}]" if parameter.optional else text
            for parameter in self.parameters
            for text in ["|".join(parameter.choices) or parameter.name]
        )
        return ("r = " if self.result is not Holds.NOTHING else "") + f"{self.name}({inner})"
