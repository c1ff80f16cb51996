"""The findings of a campaign, each in a directory of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from daxfuzz.campaign.kernels import file_name
from daxfuzz.engines.jobs import Symptom
from daxfuzz.program.whole_file import save_text

FIRST, CASE, REPORT, ABOUT, COUNTS = "first.dax", "case.dax", "report.txt", "finding.json", "counts.json"


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a finding beside its cases.

    kernel, engine, strategy: with which it was found first. executions: of the whole campaign until then; of_way: of
    that kernel with that engine and strategy. at: seconds since the epoch; running: seconds that the campaign had run.
    version: of daxfuzz that has last seen it reproduce. stale: why it does not any more; empty if it does.
    symptoms: (kernel, kind, function, channel) of failures that are counted as this one.
    """

    signature: str
    kind: str
    message: str
    explained_by: tuple[str, ...]
    kernel: str
    engine: str
    strategy: str
    executions: int
    of_way: int
    at: float
    running: float
    version: str
    tasks: int
    operations: int
    preemptions: int
    choices: int
    steps: int
    stale: str = ""
    symptoms: tuple[tuple[str, str, str, str], ...] = ()

    @property
    def directory(self) -> str:
        """The name of its directory."""
        return file_name(self.signature)


class Findings:
    """All findings below a directory.

    known: by signature, in the order in which they were found.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[str, Known] = {each.signature: each for each in sorted(self._stored(), key=lambda e: e.at)}
        self._by_symptom: dict[tuple[str, str, str, str], str] = {}
        for each in self.known.values():
            self._index(each)

    def _stored(self) -> Iterator[Known]:
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.glob(f"*/{ABOUT}")):
            if path.parent.name.startswith("."):
                continue
            try:
                yield loaded(path.read_text(encoding="utf-8"))
            except (ValueError, TypeError, KeyError):
                # Somebody's edit. The cases beside it are still there, and the next hit reports it again.
                continue

    def _index(self, known: Known) -> None:
        for symptom in known.symptoms:
            self._by_symptom.setdefault(symptom, known.signature)

    def signature_of(self, kernel: str, symptom: Symptom) -> str:
        """The signature that failures of a kernel with this symptom are counted as; empty if none is known."""
        return self._by_symptom.get((kernel, symptom.kind, symptom.function, symptom.channel), "")

    def path(self, known: Known) -> Path:
        """Where a finding is kept."""
        return self.directory / known.directory

    def add(self, known: Known, first: str, case: str, report: str) -> None:
        """Keep a new finding: all of it is on disk when this returns, or nothing. Raises OSError.

        first: the case as it was found. case: minimized. report: for a reader.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        new = self.directory / f".new-{known.directory}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for name, text in ((FIRST, first), (CASE, case), (REPORT, report), (ABOUT, dumped(known))):
            save_text(new / name, text)
        target = self.path(known)
        if target.exists():
            # Without a readable account of it, or it would be known.
            os.rename(target, self.directory / f".old-{known.directory}-{int(known.at)}")
        os.rename(new, target)
        sync(self.directory)
        self.known[known.signature] = known
        self._index(known)

    def also(self, signature: str, kernel: str, symptom: Symptom) -> None:
        """Count failures of a kernel with this symptom as this finding from now on. Raises OSError."""
        each = (kernel, symptom.kind, symptom.function, symptom.channel)
        if each in self._by_symptom:
            return
        known = self.known[signature]
        self._update(replace(known, symptoms=(*known.symptoms, each)))
        self._index(self.known[signature])

    def checked(self, signature: str, version: str, stale: str) -> None:
        """Note whether a version of daxfuzz still shows a finding. Raises OSError.

        stale: why not; empty if it does.
        """
        self._update(replace(self.known[signature], version=version, stale=stale))

    def save_counts(self, signature: str, counts: Mapping[str, int]) -> None:
        """Write how often a finding was hit, by kernel. Raises OSError."""
        text = json.dumps(dict(sorted(counts.items())), indent=2) + "\n"
        path = self.path(self.known[signature]) / COUNTS
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            save_text(path, text)

    def _update(self, known: Known) -> None:
        save_text(self.path(known) / ABOUT, dumped(known))
        self.known[known.signature] = known


def dumped(known: Known) -> str:
    """A finding as JSON."""
    return json.dumps(asdict(known), indent=2) + "\n"


def loaded(text: str) -> Known:
    """A finding from JSON. Raises ValueError, TypeError or KeyError."""
    values = json.loads(text)
    values["explained_by"] = tuple(values["explained_by"])
    values["symptoms"] = tuple(tuple(each) for each in values["symptoms"])
    known = Known(**values)
    if not isinstance(known.signature, str) or not isinstance(known.at, int | float):
        raise TypeError("no finding")
    return known


def sync(directory: Path) -> None:
    """Wait until the names in a directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
