"""Why mutants that live are equivalent: reasons.toml, and what the last audits of protocols said."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ANY = "any protocol"
"""The table of reasons.toml that holds everywhere."""

REASONS = Path(__file__).with_name("reasons.toml")

RESULTS = Path(__file__).with_name("results")


@cache
def reasons() -> dict[str, dict[str, str]]:
    """By protocol, and then by the name of the mutant, in which * stands for anything."""
    document: dict[str, dict[str, str]] = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    return document


def matches(name: str, pattern: str) -> bool:
    """Whether a name is one that a pattern of reasons.toml stands for."""
    return fnmatchcase(name, pattern)


def reason_for(protocol: str, mutant: str) -> str:
    """Why a mutant is equivalent; empty if nobody says so."""
    for table in (protocol, ANY):
        for name, reason in reasons().get(table, {}).items():
            if matches(mutant, name):
                return reason
    return ""


@dataclass(frozen=True, slots=True)
class LastAudit:
    """What the last audit of a protocol came to. executions: that each mutant got; date: none, but the model's version.

    mutants: those that are not equivalent.
    """

    protocol: str
    executions: int
    mutants: int
    killed: int

    @property
    def share(self) -> float:
        """Of the mutants that are not equivalent, the part that died."""
        return self.killed / max(self.mutants, 1)


def last_audit(protocol: str) -> LastAudit | None:
    """The audit that is shipped; None if the protocol has none."""
    path = RESULTS / f"{file_name(protocol)}.json"
    if not path.is_file():
        return None
    return LastAudit(**json.loads(path.read_text(encoding="utf-8")))


def file_name(protocol: str) -> str:
    """A protocol's name as part of a file's."""
    return protocol.replace(":", "-")
