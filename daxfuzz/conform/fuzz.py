"""Differential fuzzing: the same generated sequences on the model and on a real kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from daxfuzz.conform import model
from daxfuzz.conform.generator import generate
from daxfuzz.conform.outcome import Outcome, differences
from daxfuzz.conform.profiles import Profile
from daxfuzz.conform.runner import Machine
from daxfuzz.conform.sequence import FILESYSTEMS, Sequence
from daxfuzz.conform.shrink import shrink

SHRINK_TRIES = 40

BEYOND_MODEL = ("EFBIG", "ENOSPC")
"""Results of the model that say no more than that its files and its device are small."""

BATCH = 50
"""Sequences on one file system before the next."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The smallest sequence that shows it. lines: what each side did. repeated: it was there a second time."""

    sequence: Sequence
    filesystem: str
    lines: list[str]
    repeated: bool


@dataclass(slots=True)
class Fuzzed:
    """What came of it. run: sequences on the kernel. beyond: those that were left out, since the model is too small."""

    run: int = 0
    beyond: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)


def fuzz(
    profile: Profile,
    machine: Machine,
    seed: int,
    go_on: Callable[[Fuzzed], bool],
    on_disagreement: Callable[[Disagreement], None],
) -> Fuzzed:
    """Run generated sequences as long as `go_on` says so. Each kind of disagreement is reported once.

    Raises Died if the kernel does not survive a sequence in several boots.
    """
    done = Fuzzed()
    seen: set[str] = set()
    number = 0
    while go_on(done):
        filesystem = FILESYSTEMS[number // BATCH % len(FILESYSTEMS)]
        # Each sequence is the same whatever came before.
        sequence = generate(Random(f"{seed} {number}"), f"generated-{seed}-{number}")
        number += 1
        ours = run_model(profile, sequence, filesystem)
        if beyond(ours):
            done.beyond += 1
            continue
        lines = differences(ours, machine.run(sequence, filesystem))
        done.run += 1
        if lines and kind(lines) not in seen:
            seen.add(kind(lines))
            found = smallest(profile, machine, sequence, filesystem, lines)
            done.disagreements.append(found)
            on_disagreement(found)
    return done


def smallest(profile: Profile, machine: Machine, sequence: Sequence, filesystem: str, lines: list[str]) -> Disagreement:
    """Shrink a disagreement. One that is not there any more after a fresh boot is reported as it was."""

    def compared(candidate: Sequence) -> list[str]:
        ours = run_model(profile, candidate, filesystem)
        return [] if beyond(ours) else differences(ours, machine.run(candidate, filesystem))

    machine.close()
    if not compared(sequence):
        return Disagreement(sequence, filesystem, lines, False)
    small = shrink(sequence, lambda candidate: bool(compared(candidate)), SHRINK_TRIES)
    return Disagreement(small, filesystem, compared(small) or lines, True)


def run_model(profile: Profile, sequence: Sequence, filesystem: str) -> Outcome:
    """What the model does with the profile of a kernel."""
    return model.run(sequence, profile.composed().subsystems, filesystem)


def beyond(outcome: Outcome) -> bool:
    """Whether an outcome is due to the size of the model only."""
    return any(word in facts.values() for facts in outcome for word in BEYOND_MODEL)


def kind(lines: list[str]) -> str:
    """What a disagreement is about, without the numbers in it."""
    return re.sub(r"\d+", "N", lines[0].partition(": ")[2])
