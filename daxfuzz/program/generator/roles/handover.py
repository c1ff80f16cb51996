"""Files whose blocks change hands."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def keeper(draft: Draft) -> tuple[Call, ...]:
    """Maps a page, and uses it once more: as memory, or for a device."""
    rng = draft.rng
    file, page = draft.place()
    draft.add(rng.choice(("load", "store", "store", "store")), file, page)
    if rng.random() < 0.75:
        kind = rng.choice(("get_user_pages", "pin_user_pages"))
        draft.take(kind if rng.random() < 0.25 else f"{kind}_fast", file, page)
        if rng.random() < 0.3:
            draft.add("dma_write", "r0")
        if rng.random() < 0.7:
            draft.release()
    else:
        draft.add(rng.choice(("load", "store")), file, page)
    draft.maybe_signal()
    return tuple(draft.calls)


def giver(draft: Draft) -> tuple[Call, ...]:
    """Gives back the blocks of a file, mostly all of them."""
    rng = draft.rng
    file = draft.file()
    step = rng.random()
    if step < 0.5:
        draft.add("truncate", file, 0 if rng.random() < 0.8 else rng.randrange(draft.files[file]))
    elif step < 0.85:
        draft.add("fallocate", file, "PUNCH_HOLE", 0, draft.files[file])
    else:
        draft.add("munmap", file)
        draft.add("unlink", file)
        draft.add("close", file)
    draft.maybe_signal()
    return tuple(draft.calls)


def taker(draft: Draft) -> tuple[Call, ...]:
    """Has a file get blocks, and may keep one in use."""
    rng = draft.rng
    file, page = draft.place()
    if rng.random() < 0.75:
        draft.add("store", file, page)
    else:
        draft.add("write", file, page)
    if rng.random() < 0.3:
        draft.take("pin_user_pages_fast", file, page)
        draft.release()
    draft.maybe_signal()
    return tuple(draft.calls)
