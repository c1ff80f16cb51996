"""Freezers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def freezer(draft: Draft) -> tuple[Call, ...]:
    """Freezes the file system and thaws it again."""
    for _ in range(draft.rng.choice((1, 1, 1, 1, 1, 2))):
        draft.add("freeze")
    if draft.rng.random() < 0.2:
        draft.add("load", *draft.place())
    draft.add("thaw")
    return tuple(draft.calls)
