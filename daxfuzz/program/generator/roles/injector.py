"""Injectors."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def injector(draft: Draft) -> tuple[Call, ...]:
    """Makes memory fail, of its own mapping or by the number of a block."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 2))):
        file, page = draft.place()
        if rng.random() < 0.6:
            draft.add("madvise", file, "MADV_HWPOISON", page, 1)
        else:
            draft.add("memory_failure", file, page)
        if rng.random() < 0.2:
            draft.add("store", file, page)
        draft.maybe_signal()
    return tuple(draft.calls)
