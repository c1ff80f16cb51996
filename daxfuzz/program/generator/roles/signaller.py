"""Signallers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def signaller(draft: Draft) -> tuple[Call, ...]:
    """Sends signals, most of which kill."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        draft.add("signal", draft.victim(), *(("SIGKILL",) if rng.random() < 0.7 else ()))
    return tuple(draft.calls)
