"""Those who use a file for the last time, and those who come to it without keeping it."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles.visitor import visit


def leaver(draft: Draft) -> tuple[Call, ...]:
    """Takes a file's name away, and uses the file once more before or after that."""
    file, page = draft.place()
    last = draft.rng.random() < 0.5
    if not last:
        draft.add("unlink", file)
    if draft.rng.random() < 0.5:
        draft.add("fsync", file)
    else:
        visit(draft, file, page)
    if last:
        draft.add("unlink", file)
    return tuple(draft.calls)


def stranger(draft: Draft) -> tuple[Call, ...]:
    """Comes to a file by its memory, its caches or its name, and has neither a mapping nor a descriptor."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 1, 2))):
        step = rng.random()
        if step < 0.7:
            draft.add("memory_failure", *draft.place())
        elif step < 0.85:
            draft.add("open", draft.file())
        else:
            draft.add("drop_caches")
    return tuple(draft.calls)
