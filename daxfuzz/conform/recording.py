"""A golden from a running kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from daxfuzz.conform.goldens import Golden, Key
from daxfuzz.conform.kernels import Kernel
from daxfuzz.conform.outcome import Outcome
from daxfuzz.conform.profiles import Profile
from daxfuzz.conform.runner import Machine, jobs
from daxfuzz.conform.sequence import Sequence

OnOutcome = Callable[[Key], None]


def observed(kernel: Kernel, profile: Profile, sequences: Iterable[Sequence], on_outcome: OnOutcome) -> Golden:
    """What a kernel does on the sequences. Raises Missing or Died."""
    found: dict[Key, Outcome] = {}
    with Machine(kernel) as machine:
        for sequence, filesystem in jobs(sequences):
            key = (sequence.name, filesystem)
            found[key] = machine.run(sequence, filesystem)
            on_outcome(key)
    return Golden(profile, kernel.package, kernel.version, found)


def stable(first: Golden, second: Golden) -> Golden:
    """What was the same twice."""
    same = {key: outcome for key, outcome in first.outcomes.items() if second.outcomes.get(key) == outcome}
    return replace(first, outcomes=same)


def merged(old: Golden | None, new: Golden) -> Golden:
    """New outcomes in place of old ones, in the order of their names."""
    outcomes: Mapping[Key, Outcome] = {**(old.outcomes if old else {}), **new.outcomes}
    return replace(new, outcomes={key: outcomes[key] for key in sorted(outcomes)})


def changes(old: Golden, new: Golden) -> list[str]:
    """What a kernel does differently from what was recorded, as lines."""
    lines = []
    for key, outcome in new.outcomes.items():
        if old.outcomes.get(key) != outcome:
            what = "has another outcome than recorded" if key in old.outcomes else "is not recorded"
            lines.append(f"{old.profile.name}: {' on '.join(key)} {what}")
    return lines
