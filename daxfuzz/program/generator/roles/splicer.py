"""Those who give pages to pipes and devices, and devices."""

from __future__ import annotations

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft


def splicer(draft: Draft) -> tuple[Call, ...]:
    """Puts pages into the pipe, or lets a device fill them, and does the device's work, too, or does not."""
    rng = draft.rng
    for _ in range(rng.choice((1, 2, 2, 3))):
        file, page = draft.place()
        step = rng.random()
        if step < 0.3:
            draft.add("vmsplice", file, page)
        elif step < 0.5:
            draft.add("pipe_read")
        elif step < 0.85:
            draft.add("direct_read", file, page, rng.randint(1, draft.files[file] - page))
        else:
            draft.add(rng.choice(("load", "store")), file, page)
    draft.maybe_signal()
    if rng.random() < 0.4:
        draft.add("pipe_read")
    return tuple(draft.calls)


def device(draft: Draft) -> tuple[Call, ...]:
    """Completes direct reads."""
    for _ in range(draft.rng.choice((1, 2, 3))):
        draft.add("bio_endio")
    return tuple(draft.calls)
