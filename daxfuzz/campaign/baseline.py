"""Which findings another corpus has already, so that only new ones count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daxfuzz.campaign.findings import ABOUT, Known, loaded
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.errors import InputError
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import UnknownName
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import replay_case

Key = tuple[str, frozenset[str]]
"""What a signature says: kind, function and wait channel; and the explanation, whatever the order of its repairs."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Signatures that are known elsewhere.

    unreadable: cases that could not be looked at, with the reason.
    """

    signatures: frozenset[str]
    keys: frozenset[Key]
    unreadable: tuple[str, ...] = ()

    def has(self, known: Known) -> bool:
        """Whether it has a finding."""
        return known.signature in self.signatures or key_of(known) in self.keys


def key_of(known: Known) -> Key:
    """What the signature of a finding says."""
    return known.signature.rpartition("/")[0], frozenset(known.explained_by)


def baseline(path: Path, kinds: Collection[str]) -> Baseline:
    """What a directory of cases, or that of another campaign, knows of some kinds of findings.

    Raises InputError if there is no such directory.
    """
    if not path.is_dir():
        raise InputError(str(path), None, "", "no such directory")
    signatures = frozenset(each.signature for each in findings_below(path))
    keys: set[Key] = set()
    unreadable: list[str] = []
    for file in sorted(path.rglob("*.dax")):
        if (file.parent / ABOUT).exists():
            continue
        try:
            case = load_case(file)
            if case.finding in kinds:
                keys.update(keys_of(case))
        except (InputError, UnknownName, ComposeError) as error:
            unreadable.append(str(error) if str(error).startswith(str(path)) else f"{file}: {error}")
    return Baseline(signatures, frozenset(keys), tuple(unreadable))


def findings_below(path: Path) -> Iterator[Known]:
    """The findings of campaigns below a directory."""
    for about in sorted(path.rglob(ABOUT)):
        try:
            yield loaded(about.read_text(encoding="utf-8"))
        except (ValueError, TypeError, KeyError):
            continue


def keys_of(case: Case) -> Iterator[Key]:
    """What the signature of a case may say: it names its repairs, not whether its bugs explain it as well."""
    found = replay_case(case, KernelChoice(case.kernel)).found
    if found is None:
        return
    where = "/".join(part for part in (found.kind, found.function, found.channel) if part)
    repairs = frozenset(case.repaired_by)
    bugs = frozenset(case.kernel.bugs)
    for explained in dict.fromkeys((repairs, repairs | bugs, bugs or repairs)):
        yield where, explained


def new_findings(known: Iterable[Known], base: Baseline) -> list[Known]:
    """The findings that still reproduce and that the base does not have."""
    return [each for each in known if not each.stale and not base.has(each)]
