"""Stories of committed cases."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.proof import Needed, Proof, Run
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.story import Story
from daxfuzz.triage.user_choice import with_patches

CORPUS = Path(__file__).parents[2] / "corpus"

LOST_WAKEUP = "flaws/pin-wait-f02-lost-wakeup.dax"
LOCKED_ENTRY = "flaws/pin-wait-f08-locked-entry.dax"
DEADLOCK = "flaws/refcount-0-f30-busy-is-not-waited-for.dax"
USE_AFTER_FREE = "flaws/pin-wait-f04-touch-after-put.dax"
CLEAN = "seeds/pin-wait-waits-for-pin.dax"
UNSORTED = "bugs/dm-dax-srcu-leak.dax"
"""Its tasks are not in the order of their names."""

CALLS = "conform/pin-pipe-truncate.dax"
"""It has calls one after the other in place of turns."""

CASES = (LOST_WAKEUP, LOCKED_ENTRY, DEADLOCK, USE_AFTER_FREE, CLEAN, UNSORTED, CALLS)


@cache
def story(name: str) -> Story:
    """The story of a case of the corpus, by its path there. It is shared: nobody changes it."""
    case = load_case(CORPUS / name)
    return Story(name, case, replay_case(case, with_patches(case.kernel, ())))


def proved(name: str) -> Story:
    """The story of a case with a proof that is made up of its own constraints."""
    told = story(name)
    order = told.case.schedule.order
    runs = (Run((0, 0, 1)), Run((1, 0), "leak"), None)
    needed = tuple(Needed(each, runs[number % 3]) for number, each in enumerate(order))
    return replace(told, proof=Proof(told.replayed.kind, needed, exhausted=True, interleavings=214, states=99))
