"""Refaulters."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def refaulter(draft: Draft) -> tuple[Call, ...]:
    """Maps a file anew and touches it, so that it needs memory for page tables."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        file = next(iter(draft.files))
        draft.add("munmap", file)
        draft.add("mmap", file)
        draft.add("store" if rng.random() < 0.5 else "load", file, rng.randrange(draft.files[file]))
    return tuple(draft.calls)


def unlinker(draft: Draft) -> tuple[Call, ...]:
    """Takes the name of a file away that it does not use otherwise."""
    draft.add("unlink", next(iter(draft.files)))
    return tuple(draft.calls)
