"""Visitors."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import MAP_PRIVATE


def visitor(draft: Draft) -> tuple[Call, ...]:
    """Does one thing or two with a page that others are after, too."""
    rng = draft.rng
    file, page = draft.place()
    if rng.random() < 0.1:
        draft.add("mmap", file, MAP_PRIVATE)
    for _ in range(rng.choice((1, 1, 2))):
        visit(draft, file, page)
    draft.maybe_signal()
    return tuple(draft.calls)


def looker(draft: Draft) -> tuple[Call, ...]:
    """Opens a file, to look at it."""
    for _ in range(draft.rng.choice((1, 1, 2))):
        draft.add("open", draft.file())
    return tuple(draft.calls)


def visit(draft: Draft, file: str, page: int) -> None:
    """One call that locks an entry, waits for one, or removes one."""
    step = draft.rng.random()
    if step < 0.25:
        draft.add("load", file, page)
    elif step < 0.4:
        draft.add("store", file, page)
    elif step < 0.57:
        draft.add("fsync", file)
    elif step < 0.66:
        draft.add("write", file, page)
    elif step < 0.82:
        draft.add("memory_failure", file, page)
    elif step < 0.9:
        draft.add("fallocate", file, draft.rng.choice(("ALLOCATE", "PUNCH_HOLE", "ZERO_RANGE")), page, 1)
    elif step < 0.95:
        draft.take("pin_user_pages_fast", file, page)
        draft.release()
    else:
        draft.add("truncate", file, page)
