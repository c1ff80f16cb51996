"""Syncers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def syncer(draft: Draft) -> tuple[Call, ...]:
    """Writes back."""
    for _ in range(draft.rng.choice((1, 1, 2))):
        draft.add("fsync", draft.file())
        draft.maybe_signal()
    return tuple(draft.calls)


def flusher(draft: Draft) -> tuple[Call, ...]:
    """Writes one file back, once."""
    draft.add("fsync", next(iter(draft.files)))
    return tuple(draft.calls)
