"""Reclaimers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def reclaimer(draft: Draft) -> tuple[Call, ...]:
    """Takes ranges of a virtio-fs window back, as the worker does."""
    for _ in range(draft.rng.choice((1, 1, 2, 3))):
        draft.add("fuse_dax_free_mem_worker")
    return tuple(draft.calls)
