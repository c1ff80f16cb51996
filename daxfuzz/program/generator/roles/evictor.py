"""Evictors."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def evictor(draft: Draft) -> tuple[Call, ...]:
    """Takes a file's name away, and sometimes what keeps the file beside it."""
    rng = draft.rng
    file = draft.file()
    if rng.random() < 0.2:
        draft.add("store", file, 0)
    draft.add("unlink", file)
    if rng.random() < 0.5:
        draft.add("munmap", file)
    if rng.random() < 0.4:
        draft.add("close", file)
    draft.maybe_signal()
    return tuple(draft.calls)
