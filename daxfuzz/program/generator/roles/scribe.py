"""Scribes."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def scribe(draft: Draft) -> tuple[Call, ...]:
    """Writes to pages through descriptors, and looks at each before or after."""
    rng = draft.rng
    names = list(draft.files)
    for _ in range(rng.choice((2, 3, 3, 4))):
        file = names[0] if rng.random() < 0.6 else rng.choice(names)
        page = rng.randrange(draft.files[file])
        written = rng.random() < 0.5
        if written:
            draft.add("write", file, page)
        draft.add("load", file, page)
        if not written:
            draft.add("write", file, page)
        draft.maybe_signal()
    return tuple(draft.calls)
