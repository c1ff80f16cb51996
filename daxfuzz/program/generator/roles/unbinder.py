"""Unbinders."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def unbinder(draft: Draft) -> tuple[Call, ...]:
    """Removes the device, and now and then touches it first."""
    if draft.rng.random() < 0.3:
        draft.add(draft.rng.choice(("load", "store")), *draft.place())
    draft.maybe_signal()
    draft.add("unbind")
    return tuple(draft.calls)
