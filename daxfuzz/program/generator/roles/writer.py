"""Writers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def writer(draft: Draft) -> tuple[Call, ...]:
    """Writes through descriptors, from memory that cannot fault or from a mapping."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        if rng.random() < 0.25:
            extend(draft)
        elif rng.random() < 0.75:
            draft.add("write", *draft.place())
        else:
            copy(draft)
        if rng.random() < 0.25:
            draft.add("fsync", draft.file())
        draft.maybe_signal()
    return tuple(draft.calls)


def copy(draft: Draft) -> None:
    """Write from a mapping; now and then from one that is gone, so that there is nothing to write."""
    source = draft.place()
    if draft.rng.random() < 0.3:
        draft.add("munmap", source[0])
    draft.add("pwrite", *draft.place(), *source)


def extend(draft: Draft) -> None:
    """Write behind the end of a file; now and then after a write there that cannot read its data."""
    file = draft.file()
    draft.add("truncate", file, 0)
    if draft.rng.random() < 0.5:
        draft.add("pwrite", file, 0, file, 0)
    draft.add("write", file, draft.files[file] - 1)
