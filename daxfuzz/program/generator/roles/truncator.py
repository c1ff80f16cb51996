"""Truncators."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft

MODES = ("ZERO_RANGE", "COLLAPSE_RANGE", "INSERT_RANGE", "ALLOCATE", "KEEP_SIZE")


def truncator(draft: Draft) -> tuple[Call, ...]:
    """Frees and moves blocks, and now and then makes the file as large as it was."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 1, 2))):
        file, page = draft.place()
        step = rng.random()
        if draft.files[file] > 1 and rng.random() < 0.15:
            shift(draft, file)
        elif step < 0.55:
            draft.add("truncate", file, page if rng.random() < 0.85 else draft.files[file])
        else:
            mode = "PUNCH_HOLE" if step < 0.8 else rng.choice(MODES)
            draft.add("fallocate", file, mode, page, rng.randint(1, draft.files[file] - page))
        draft.maybe_signal()
    return tuple(draft.calls)


def shifter(draft: Draft) -> tuple[Call, ...]:
    """Does nothing but move the pages of one file."""
    file = next(iter(draft.files))
    for _ in range(draft.rng.choice((1, 1, 2))):
        shift(draft, file)
        draft.maybe_signal()
    return tuple(draft.calls)


def shift(draft: Draft, file: str) -> None:
    """Move the pages of a file that has several: down, or up into the room that truncation makes, some of which may be
    taken, behind the end."""
    rng = draft.rng
    pages = draft.files[file]
    if rng.random() < 0.5:
        first = rng.randrange(pages - 1)
        draft.add("fallocate", file, "COLLAPSE_RANGE", first, rng.randint(1, pages - 1 - first))
    else:
        size = rng.randrange(1, pages)
        draft.add("truncate", file, size)
        if rng.random() < 0.5:
            page = size if rng.random() < 0.5 else rng.randrange(size, pages)
            draft.add("fallocate", file, "KEEP_SIZE", page, rng.randint(1, pages - page))
        draft.add("fallocate", file, "INSERT_RANGE", rng.randrange(size), rng.randint(1, pages - size))


def emptier(draft: Draft) -> tuple[Call, ...]:
    """Takes all blocks of a file away."""
    file = next(iter(draft.files))
    if draft.rng.random() < 0.85:
        draft.add("truncate", file, 0)
    else:
        draft.add("fallocate", file, "PUNCH_HOLE", 0, draft.files[file])
    return tuple(draft.calls)
