"""What real kernels did, one file a kernel, and how the model compares with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daxfuzz.conform import model
from daxfuzz.conform.outcome import Outcome, differences
from daxfuzz.conform.profiles import PROFILES, Profile
from daxfuzz.conform.sequence import FILESYSTEMS, Sequence
from daxfuzz.program.errors import InputError
from daxfuzz.program.whole_file import save_text

DIRECTORY = "goldens"
"""Beside the sequences."""

Key = tuple[str, str]
"""A sequence and a file system."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Of one kernel. package, version: where it came from."""

    profile: Profile
    package: str
    version: str
    outcomes: Mapping[Key, Outcome]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A sequence on the model and on a kernel. lines: where they differ. reason: why, if that is known."""

    kernel: str
    sequence: str
    filesystem: str
    lines: list[str]
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Nothing is left unexplained, and no reason is left over."""
        return bool(self.lines) == bool(self.reason)


@dataclass(slots=True)
class Agreement:
    """All comparisons, and what has no golden or no sequence."""

    comparisons: list[Comparison] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether all is as it should be."""
        return not self.unmatched and all(each.agrees for each in self.comparisons)


def path_of(directory: Path, profile: Profile) -> Path:
    """Where the golden of a kernel is."""
    return directory / DIRECTORY / f"{profile.name}.json"


def reasons_path(directory: Path, profile: Profile) -> Path:
    """Where the reasons for the remaining differences are."""
    return directory / DIRECTORY / f"{profile.name}.differences.json"


def load_golden(directory: Path, profile: Profile) -> Golden | None:
    """The golden of a kernel; None if there is none. Raises InputError."""
    path = path_of(directory, profile)
    if not path.exists():
        return None
    document: Any = _read(path)
    try:
        outcomes = {
            (name, filesystem): tuple(dict(facts) for facts in steps)
            for name, each in document["sequences"].items()
            for filesystems, steps in each.items()
            for filesystem in filesystems.split()
        }
        return Golden(profile, document["package"], document["version"], outcomes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(str(path), None, "", f"not a golden: {type(error).__name__} {error}") from None


def load_reasons(directory: Path, profile: Profile) -> dict[Key, str]:
    """Why the model differs from a kernel, where it may. Raises InputError."""
    path = reasons_path(directory, profile)
    if not path.exists():
        return {}
    found: dict[Key, str] = {}
    for reason, keys in _read(path).items():
        for key in keys:
            name, _, filesystem = key.partition(" ")
            found[name, filesystem] = reason
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(path), None, "", f"cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise InputError(str(path), None, "", "must be an object")
    return document


def save_golden(directory: Path, golden: Golden) -> Path:
    """Write a golden, one line a step; file systems that agree share one entry."""
    path = path_of(directory, golden.profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_text(path, dumps_golden(golden))
    return path


def dumps_golden(golden: Golden) -> str:
    """The text of a golden."""
    head = {"kernel": golden.profile.version, "package": golden.package, "version": golden.version}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
    names = dict.fromkeys(name for name, _ in golden.outcomes)
    entries = [_entry(name, golden.outcomes) for name in names]
    return "{\n" + "".join(lines) + '  "sequences": {\n' + ",\n".join(entries) + "\n  }\n}\n"


def _entry(name: str, outcomes: Mapping[Key, Outcome]) -> str:
    texts: dict[str, list[str]] = {}
    for filesystem in FILESYSTEMS:
        outcome = outcomes.get((name, filesystem))
        if outcome is not None:
            text = ",\n".join(f"      {json.dumps(dict(facts))}" for facts in outcome)
            texts.setdefault(text, []).append(filesystem)
    blocks = [f'    "{" ".join(filesystems)}": [\n{text}\n    ]' for text, filesystems in texts.items()]
    return f"    {json.dumps(name)}: {{\n" + ",\n".join(blocks) + "\n    }"


def compare(
    sequences: Iterable[Sequence], outcomes: Mapping[Key, Outcome], profile: Profile, reasons: Mapping[Key, str]
) -> Agreement:
    """The model with a profile against what a kernel did. Outcomes of other sequences do not matter."""
    found = Agreement()
    subsystems = profile.composed().subsystems
    for sequence in sequences:
        for filesystem in FILESYSTEMS:
            key = (sequence.name, filesystem)
            outcome = outcomes.get(key)
            if outcome is None:
                found.unmatched.append(f"{profile.name} has no golden for {sequence.name} on {filesystem}")
                continue
            lines = differences(model.run(sequence, subsystems, filesystem), outcome)
            found.comparisons.append(Comparison(profile.name, *key, lines, reasons.get(key, "")))
    return found


def check(directory: Path, sequences: list[Sequence]) -> Agreement:
    """The model against all goldens, as far as they are of these sequences. Raises InputError."""
    found = Agreement()
    for profile in PROFILES.values():
        golden = load_golden(directory, profile)
        if golden is not None:
            each = compare(sequences, golden.outcomes, profile, load_reasons(directory, profile))
            found.comparisons += each.comparisons
            found.unmatched += each.unmatched
    return found
