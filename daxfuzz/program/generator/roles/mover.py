"""Movers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def mover(draft: Draft) -> tuple[Call, ...]:
    """Moves the mapping that other threads of its process use."""
    draft.add("mremap", draft.file())
    return tuple(draft.calls)
