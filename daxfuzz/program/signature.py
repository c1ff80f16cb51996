"""What an operation takes and gives back, as data that the parser, the generator and the byte form share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an argument stands for, and how it is written."""

    FILE = "file"
    """Name of a file of the set-up."""
    PAGE = "page"
    """Index of a file page, from 0."""
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
    optional: may be left out; only trailing parameters are.
    holds: for a REGISTER, what it must hold; NOTHING allows any.
    """

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()
    optional: bool = False
    holds: Holds = Holds.NOTHING


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

    def __str__(self) -> str:
        inner = ", ".join(
            f"[{text}]" if parameter.optional else text
            for parameter in self.parameters
            for text in ["|".join(parameter.choices) or parameter.name]
        )
        return ("r = " if self.result is not Holds.NOTHING else "") + f"{self.name}({inner})"


def _p(name: str, kind: Kind, *choices: str, optional: bool = False, holds: Holds = Holds.NOTHING) -> Parameter:
    return Parameter(name, kind, choices, optional, holds)


_FILE = _p("file", Kind.FILE)
_PAGE = _p("page", Kind.PAGE)

SIGNATURES: dict[str, Signature] = {
    signature.name: signature
    for signature in (
        Signature("mmap", (_FILE,), Holds.NOTHING, "map a whole file shared, where it is not mapped yet"),
        Signature("munmap", (_FILE,), Holds.NOTHING, "unmap a file"),
        Signature("load", (_FILE, _PAGE), Holds.NOTHING, "read memory through the task's mapping of a file"),
        Signature("store", (_FILE, _PAGE), Holds.NOTHING, "write memory through the task's mapping of a file"),
        Signature("get_user_pages", (_FILE, _PAGE), Holds.GET, "FOLL_GET|FOLL_WRITE reference, slow path"),
        Signature("get_user_pages_fast", (_FILE, _PAGE), Holds.GET, "FOLL_GET|FOLL_WRITE reference, lockless first"),
        Signature(
            "pin_user_pages",
            (_FILE, _PAGE, _p("flags", Kind.FLAG, "FOLL_LONGTERM", optional=True)),
            Holds.PIN,
            "FOLL_PIN|FOLL_WRITE reference, slow path",
        ),
        Signature(
            "pin_user_pages_fast",
            (_FILE, _PAGE, _p("flags", Kind.FLAG, "FOLL_LONGTERM", optional=True)),
            Holds.PIN,
            "FOLL_PIN|FOLL_WRITE reference, lockless first",
        ),
        Signature(
            "put_page", (_p("register", Kind.REGISTER, holds=Holds.GET),), Holds.NOTHING, "drop a FOLL_GET reference"
        ),
        Signature(
            "unpin_user_pages",
            (_p("register", Kind.REGISTER, holds=Holds.PIN),),
            Holds.NOTHING,
            "drop a FOLL_PIN reference",
        ),
        Signature("dma_write", (_p("register", Kind.REGISTER),), Holds.NOTHING, "a device writes to a held page"),
        Signature("truncate", (_FILE, _p("size", Kind.SIZE)), Holds.NOTHING, "truncate(2)"),
        Signature(
            "fallocate",
            (_FILE, _p("mode", Kind.FLAG, "PUNCH_HOLE"), _PAGE, _p("length", Kind.LENGTH)),
            Holds.NOTHING,
            "fallocate(2)",
        ),
        Signature("fsync", (_FILE,), Holds.NOTHING, "fsync(2)"),
        Signature(
            "signal",
            (_p("task", Kind.TASK), _p("signal", Kind.FLAG, "SIGUSR1", "SIGKILL", optional=True)),
            Holds.NOTHING,
            "send a signal to a task (default SIGUSR1, caught; SIGKILL ends it)",
        ),
    )
}
"""Every operation, by name."""
