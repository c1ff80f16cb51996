"""Users of private mappings, and those of them that fork."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.operations import MAP_PRIVATE, READ_ONLY


def copier(draft: Draft) -> tuple[Call, ...]:
    """Maps a file privately, touches it, pins it, forgets it."""
    file, page = draft.place()
    draft.add("mmap", file, MAP_PRIVATE)
    for _ in range(draft.rng.choice((1, 2, 2, 3))):
        touch(draft, file, page)
    draft.maybe_signal()
    finish(draft)
    return tuple(draft.calls)


def forker(draft: Draft) -> tuple[Call, ...]:
    """Touches a mapping, mostly a private one, forks, and goes on."""
    rng = draft.rng
    file, page = draft.place()
    if rng.random() < 0.8:
        draft.add("mmap", file, MAP_PRIVATE)
    for _ in range(rng.choice((0, 1, 1, 2))):
        touch(draft, file, page)
    children = draft.children or draft.others
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        draft.add("fork", rng.choice(children))
    for _ in range(rng.choice((0, 1, 1, 2))):
        touch(draft, file, page)
    finish(draft)
    return tuple(draft.calls)


def touch(draft: Draft, file: str, page: int) -> None:
    """One access, reference or advice, mostly of a certain page, so that some pages are copied and others are not."""
    rng = draft.rng
    if rng.random() < 0.25:
        page = rng.randrange(draft.files[file])
    step = rng.random()
    if step < 0.3:
        draft.add("store", file, page)
    elif step < 0.45:
        draft.add("load", file, page)
    elif step < 0.75:
        name = rng.choice(("get_user_pages", "pin_user_pages", "pin_user_pages"))
        how = (READ_ONLY,) if rng.random() < 0.3 else ()
        draft.take(name if rng.random() < 0.4 else f"{name}_fast", file, page, *how)
    elif step < 0.85 and draft.held:
        draft.add("dma_write", rng.choice(draft.held)[0])
    elif step < 0.93:
        draft.add("madvise", file, "MADV_DONTNEED", page, rng.randint(1, draft.files[file] - page))
    else:
        draft.release()


def finish(draft: Draft) -> None:
    """Drop what is held, mostly, and perhaps end."""
    if draft.rng.random() < 0.6:
        while draft.held:
            draft.release()
    if draft.rng.random() < 0.2:
        draft.add("exit")
