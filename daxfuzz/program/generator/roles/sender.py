"""Senders."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import READ_ONLY


def sender(draft: Draft) -> tuple[Call, ...]:
    """Has a device read a page of a mapping, once or twice, with references that may be of a shared block."""
    rng = draft.rng
    file, page = draft.place()
    if rng.random() < 0.5:
        draft.add("load", file, page)
    for _ in range(rng.choice((1, 1, 2))):
        draft.take("pin_user_pages" if rng.random() < 0.3 else "pin_user_pages_fast", file, page, READ_ONLY)
    draft.maybe_signal()
    if rng.random() < 0.3:
        draft.add("load", file, page)
    while draft.held and rng.random() < 0.9:
        draft.release()
    return tuple(draft.calls)
