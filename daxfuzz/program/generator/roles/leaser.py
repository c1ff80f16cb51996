"""Leasers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def leaser(draft: Draft) -> tuple[Call, ...]:
    """Takes a lease of a file's layout, and mostly gives it back."""
    file = draft.file()
    if draft.rng.random() < 0.05:
        draft.add("unlink", file)
    draft.add("lease", file)
    draft.maybe_signal()
    for _ in range(draft.rng.choice((0, 1, 1, 1, 1, 2))):
        draft.add("unlease", file)
    return tuple(draft.calls)


def worker(draft: Draft) -> tuple[Call, ...]:
    """Frees the blocks of files that are gone."""
    for _ in draft.files:
        draft.add("inodegc")
    return tuple(draft.calls)
