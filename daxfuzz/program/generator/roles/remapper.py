"""Those who map a file anew, or one page after the other, so that mappings of all sizes meet."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import MAP_PRIVATE, READ_ONLY


def remapper(draft: Draft) -> tuple[Call, ...]:
    """Empties a file, mostly, and touches it through a mapping that has no pages yet, so that a huge one fits."""
    rng = draft.rng
    file = draft.file()
    pages = draft.files[file]
    if rng.random() < 0.8:
        if rng.random() < 0.5:
            draft.add("fallocate", file, "PUNCH_HOLE", 0, pages)
        else:
            draft.add("truncate", file, 0)
            draft.add("truncate", file, pages)
        if rng.random() < 0.8:
            # Only then are the blocks free for a huge page.
            draft.add("fsync", file)
    draft.add("munmap", file)
    draft.add("mmap", file)
    draft.add("store" if rng.random() < 0.7 else "load", file, rng.randrange(pages))
    return tuple(draft.calls)


def splitter(draft: Draft) -> tuple[Call, ...]:
    """Maps a file privately, and writes to one page, for which a huge entry has to make way."""
    rng = draft.rng
    file = draft.file()
    page = rng.randrange(draft.files[file])
    draft.add("mmap", file, MAP_PRIVATE)
    if rng.random() < 0.4:
        draft.add("load", file, page)
    draft.add("store", file, page)
    return tuple(draft.calls)


def toucher(draft: Draft) -> tuple[Call, ...]:
    """Loads or stores any page of a file, once or twice."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        file = draft.file()
        draft.add("load" if rng.random() < 0.7 else "store", file, rng.randrange(draft.files[file]))
    return tuple(draft.calls)


def saver(draft: Draft) -> tuple[Call, ...]:
    """Stores and syncs by turns, as a database does, now and then through a mapping with MAP_SYNC."""
    rng = draft.rng
    file = draft.file()
    page = rng.randrange(draft.files[file])
    synced = rng.random() < 0.3
    if synced:
        draft.add("munmap", file)
        draft.add("mmap", file, "MAP_SYNC")
    for _ in range(rng.choice((1, 2, 2, 3))):
        draft.add("store", file, page)
        if not synced or rng.random() < 0.3:
            draft.add("fsync", file)
    return tuple(draft.calls)


def reader(draft: Draft) -> tuple[Call, ...]:
    """Has a device read pages of a file, which may be holes, as a write from memory with O_DIRECT does."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        file = draft.file()
        page = rng.randrange(draft.files[file])
        if rng.random() < 0.3:
            draft.add("load", file, page)
        kind = rng.choice(("get_user_pages", "pin_user_pages"))
        draft.take(kind if rng.random() < 0.5 else f"{kind}_fast", file, page, READ_ONLY)
        draft.release()
    return tuple(draft.calls)
