"""Cloners."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def cloner(draft: Draft) -> tuple[Call, ...]:
    """Lets two files, or two pages of one, share blocks."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        source = rng.choice(list(draft.files))
        dest = rng.choice([file for file in draft.files if file != source] * 3 + [source])
        first, to = rng.randrange(draft.files[source]), rng.randrange(draft.files[dest])
        length = rng.randint(1, min(draft.files[source] - first, draft.files[dest] - to))
        draft.add("dedupe" if rng.random() < 0.3 else "reflink", source, first, dest, to, length)
        draft.maybe_signal()
        if rng.random() < 0.3:
            draft.add("truncate", draft.file(), 0)
    return tuple(draft.calls)
