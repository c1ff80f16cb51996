"""Threads of a process that forks."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles.copier import finish, touch
from daxfuzz.program.operations import MAP_PRIVATE, READ_ONLY


def parent(draft: Draft) -> tuple[Call, ...]:
    """Has a page of its own, forks, and writes to the page again."""
    rng = draft.rng
    file, page = draft.place()
    draft.add("mmap", file, MAP_PRIVATE)
    draft.add("store", file, page)
    if rng.random() < 0.1:
        touch(draft, file, page)
    draft.add("fork", rng.choice(draft.children or draft.others))
    if rng.random() < 0.85:
        draft.add("store", file, page)
    finish(draft)
    return tuple(draft.calls)


def thread(draft: Draft) -> tuple[Call, ...]:
    """Uses the same page meanwhile, mostly for a device."""
    rng = draft.rng
    file, page = draft.place()
    for _ in range(rng.choice((1, 1, 1, 2))):
        if rng.random() < 0.7:
            flags = (READ_ONLY,) if rng.random() < 0.2 else ()
            draft.take("pin_user_pages_fast" if rng.random() < 0.85 else "pin_user_pages", file, page, *flags)
        else:
            touch(draft, file, page)
    if not draft.calls:
        draft.add("store", file, page)
    if rng.random() < 0.3:
        finish(draft)
    return tuple(draft.calls)
