"""Changers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def changer(draft: Draft) -> tuple[Call, ...]:
    """Takes away, moves or forgets the mapping that other threads of its process use."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        step = rng.random()
        if step < 0.35:
            draft.add("munmap", draft.file())
        elif step < 0.7:
            draft.add("mremap", draft.file())
        elif step < 0.9:
            draft.forget(draft.file())
        else:
            draft.add("mmap", draft.file())
    return tuple(draft.calls)
