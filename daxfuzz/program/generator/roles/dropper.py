"""Droppers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def dropper(draft: Draft) -> tuple[Call, ...]:
    """Drops caches, which holds each file for a moment."""
    draft.add("drop_caches")
    return tuple(draft.calls)
