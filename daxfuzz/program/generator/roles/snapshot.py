"""Users of a file of which a snapshot is taken, and of the snapshot."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def archivist(draft: Draft) -> tuple[Call, ...]:
    """Has another file share a page of a file, and goes on with the file, mostly through a mapping with MAP_SYNC."""
    rng = draft.rng
    file, other = draft.files
    if rng.random() < 0.7:
        draft.add("munmap", file)
        draft.add("mmap", file, "MAP_SYNC")
    draft.add("reflink", file, rng.randrange(draft.files[file]), other, rng.randrange(draft.files[other]), 1)
    for _ in range(rng.choice((1, 2, 3))):
        touch(draft, file, 0.8)
    return tuple(draft.calls)


def editor(draft: Draft) -> tuple[Call, ...]:
    """Uses any page of a file, and may sync."""
    rng = draft.rng
    file = next(iter(draft.files))
    for _ in range(rng.choice((1, 2, 2, 3))):
        touch(draft, file, 0.6)
    if rng.random() < 0.4:
        draft.add("fsync", file)
    draft.maybe_signal()
    return tuple(draft.calls)


def restorer(draft: Draft) -> tuple[Call, ...]:
    """Changes the other file, or gives it up, and may look at it."""
    rng = draft.rng
    _, other = draft.files
    step = rng.random()
    if step < 0.4:
        touch(draft, other, 1)
    elif step < 0.8:
        draft.add("fallocate", other, "PUNCH_HOLE", 0, draft.files[other])
    else:
        draft.add("truncate", other, 0)
    if rng.random() < 0.3:
        touch(draft, other, 0.5)
    return tuple(draft.calls)


def touch(draft: Draft, file: str, stores: float) -> None:
    """Store to any page, or load it."""
    draft.add("store" if draft.rng.random() < stores else "load", file, draft.rng.randrange(draft.files[file]))
