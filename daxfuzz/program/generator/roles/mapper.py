"""Mappers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def mapper(draft: Draft) -> tuple[Call, ...]:
    """Touches memory, maps, unmaps and forgets."""
    rng = draft.rng
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        step = rng.random()
        if step < 0.35:
            draft.add("load", *draft.place())
        elif step < 0.7:
            draft.add("store", *draft.place())
        elif step < 0.78:
            draft.add("munmap", draft.file())
        elif step < 0.84:
            draft.forget(draft.file())
        elif step < 0.9:
            draft.add("mremap", draft.file())
        elif step < 0.95:
            draft.add("mmap", draft.file())
        else:
            file = draft.file()
            draft.add("munmap", file)
            draft.add("mmap", file, "MAP_SYNC")
            draft.add("store", file, rng.randrange(draft.files[file]))
        draft.maybe_signal()
    return tuple(draft.calls)
