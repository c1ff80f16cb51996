"""Stories of committed cases."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.story import Story
from daxfuzz.triage.user_choice import with_patches

CORPUS = Path(__file__).parents[2] / "corpus"

LOST_WAKEUP = "flaws/pin-wait-f02-lost-wakeup.dax"
LOCKED_ENTRY = "flaws/pin-wait-f08-locked-entry.dax"
DEADLOCK = "flaws/refcount-0-f30-busy-is-not-waited-for.dax"
USE_AFTER_FREE = "flaws/pin-wait-f04-touch-after-put.dax"
CLEAN = "seeds/pin-wait-waits-for-pin.dax"
CASES = (LOST_WAKEUP, LOCKED_ENTRY, DEADLOCK, USE_AFTER_FREE, CLEAN)


@cache
def story(name: str) -> Story:
    """The story of a case of the corpus, by its path there. It is shared: nobody changes it."""
    case = load_case(CORPUS / name)
    return Story(name, case, replay_case(case, with_patches(case.kernel, ())))
