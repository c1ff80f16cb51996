"""Hoarders."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def hoarder(draft: Draft) -> tuple[Call, ...]:
    """Keeps a page of a file that it lets go of, and uses another one, which takes memory."""
    rng = draft.rng
    file, page = draft.place()
    draft.take("pin_user_pages_fast" if rng.random() < 0.5 else "get_user_pages_fast", file, page)
    draft.add("munmap", file)
    if rng.random() < 0.3:
        draft.add("unlink", file)
    other = rng.choice([name for name in draft.files if name != file] * 3 + [file])
    draft.add("munmap", other)
    draft.add("mmap", other)
    draft.add("store" if rng.random() < 0.5 else "load", other, rng.randrange(draft.files[other]))
    while draft.held:
        draft.release()
    return tuple(draft.calls)


def retainer(draft: Draft) -> tuple[Call, ...]:
    """Has a device keep pages of a file that it does not map any longer, as a server does that has registered them."""
    rng = draft.rng
    file = draft.file()
    for _ in range(rng.choice((1, 1, 2))):
        page = rng.randrange(draft.files[file])
        draft.take("pin_user_pages_fast" if rng.random() < 0.5 else "get_user_pages_fast", file, page)
    draft.add("munmap", file)
    if rng.random() < 0.3:
        draft.add("dma_write", rng.choice(draft.held)[0])
    while draft.held:
        draft.release()
    return tuple(draft.calls)
