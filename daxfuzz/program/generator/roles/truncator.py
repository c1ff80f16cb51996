"""Truncators."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def truncator(draft: Draft) -> tuple[Call, ...]:
    """Frees blocks, and now and then makes the file as large as it was."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 1, 2))):
        file, page = draft.place()
        if rng.random() < 0.6:
            draft.add("truncate", file, page if rng.random() < 0.85 else draft.files[file])
        else:
            draft.add("fallocate", file, "PUNCH_HOLE", page, rng.randint(1, draft.files[file] - page))
        draft.maybe_signal()
    return tuple(draft.calls)
