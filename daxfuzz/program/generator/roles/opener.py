"""Openers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def opener(draft: Draft) -> tuple[Call, ...]:
    """Opens files by name, some to truncate them."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        draft.add("open", draft.file(), *(("O_TRUNC",) if rng.random() < 0.5 else ()))
        draft.maybe_signal()
    return tuple(draft.calls)
