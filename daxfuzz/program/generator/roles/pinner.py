"""Pinners."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import READ_ONLY

MAX_REFERENCES = 8
"""References that one actor takes at most."""


def pinner(draft: Draft) -> tuple[Call, ...]:
    """Takes references, lets a device write, drops some or all of them."""
    rng = draft.rng
    # References on one page count together, so numbers up to where they look like a pin matter most.
    count = min(rng.choice((1, 1, 1, 2, 2, 3, draft.machine.bias - 1, draft.machine.bias)), MAX_REFERENCES)
    file, page = draft.place()
    kind = rng.choice(("get_user_pages", "pin_user_pages"))
    flags: tuple[str, ...] = ()
    if rng.random() < 0.1:
        # What is only read may be a hole, if somebody has read it before.
        flags = (READ_ONLY,)
        draft.add("load", file, page)
    for _ in range(count):
        if rng.random() < 0.15:
            kind = rng.choice(("get_user_pages", "pin_user_pages"))
        if rng.random() < 0.1:
            file, page = draft.place()
        draft.take(kind if rng.random() < 0.4 else f"{kind}_fast", file, page, *flags)
    for _ in range(rng.choice((0, 0, 1, 2))):
        step = rng.random()
        if step < 0.4 and draft.held:
            draft.add("dma_write", rng.choice(draft.held)[0])
        elif step < 0.55:
            draft.add("munmap", file)
        elif step < 0.62:
            draft.forget(file)
        elif step < 0.8:
            draft.add("load", *draft.place())
        else:
            draft.release()
    draft.maybe_signal()
    for _ in range(len(draft.held) if rng.random() < 0.7 else rng.randrange(len(draft.held) + 1)):
        draft.release()
    return tuple(draft.calls)
