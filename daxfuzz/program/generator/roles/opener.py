"""Openers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def opener(draft: Draft) -> tuple[Call, ...]:
    """Opens files by name, some to truncate them, and closes descriptors."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        if rng.random() < 0.2:
            draft.add("close", draft.file())
        else:
            draft.add("open", draft.file(), *(("O_TRUNC",) if rng.random() < 0.5 else ()))
        draft.maybe_signal()
    return tuple(draft.calls)
