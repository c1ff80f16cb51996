"""Threads of a process that has a private mapping."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import MAP_PRIVATE


def owner(draft: Draft) -> tuple[Call, ...]:
    """Maps a file privately, reads a page, and writes to it, by which it gets a copy."""
    rng = draft.rng
    file, page = draft.place()
    draft.add("mmap", file, MAP_PRIVATE)
    for _ in range(rng.choice((1, 1, 2))):
        draft.add("load", file, page)
        draft.add("store", file, page)
    return tuple(draft.calls)


def sharer(draft: Draft) -> tuple[Call, ...]:
    """Forgets what is mapped of the file, and reads it again."""
    rng = draft.rng
    for _ in range(rng.choice((1, 2, 2))):
        if rng.random() < 0.8:
            draft.forget(draft.file())
        if rng.random() < 0.8:
            draft.add("load", *draft.place())
    if not draft.calls:
        draft.add("load", *draft.place())
    return tuple(draft.calls)
