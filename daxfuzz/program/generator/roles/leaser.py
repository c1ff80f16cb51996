"""Leasers."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def leaser(draft: Draft) -> tuple[Call, ...]:
    """Takes a lease of a file's layout, mostly does something else while it has it, and mostly gives it back."""
    rng = draft.rng
    file = draft.file()
    if rng.random() < 0.05:
        draft.add("unlink", file)
    draft.add("lease", file)
    draft.maybe_signal()
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        keep_busy(draft)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2))):
        draft.add("unlease", file)
    return tuple(draft.calls)


def keep_busy(draft: Draft) -> None:
    """What a client does meanwhile need not have to do with the file."""
    step = draft.rng.random()
    if step < 0.4:
        draft.add("open", draft.file())
    elif step < 0.8:
        draft.add("load", *draft.place())
    else:
        draft.add("fsync", draft.file())


def worker(draft: Draft) -> tuple[Call, ...]:
    """Frees the blocks of files that are gone."""
    for _ in draft.files:
        draft.add("inodegc")
    return tuple(draft.calls)
