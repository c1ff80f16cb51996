"""What the tests of campaigns share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daxfuzz.campaign.conductor import Conductor, Limits
from daxfuzz.campaign.config import Canary, Config
from daxfuzz.campaign.crew import Outcome, Seat
from daxfuzz.campaign.directory import Directory, prepared

EASY = Canary(every=10_000.0)
"""The default canary, hunted once."""

SILENT = Config(
    engines=("portfolio",), protocols=("pin-wait-fixed",), filesystems=("ext4",), slice_seconds=0.05, canary=None
)
LOUD = Config(
    engines=("portfolio",),
    protocols=("refcount-1-fixed",),
    bugs=("gup-ref-never-dropped",),
    filesystems=("ext4",),
    strategies=("random",),
    slice_seconds=600.0,
    canary=None,
)
"""Shows a bug within a few executions. For budgets of executions: its slices are long."""


KERNEL = ("--protocol", "refcount-1-fixed", "--bug", "gup-ref-never-dropped", "--filesystem", "ext4")
SMALL = (*KERNEL, "--engine", "portfolio")
"""The same as options."""


class Inline:
    """A crew that works in this process, one job at a time. broken: says which jobs kill their worker."""

    def __init__(self, number: int = 1, broken: Callable[[Any], bool] = lambda job: False) -> None:
        self.here = [Seat(f"w{index}") for index in range(number)]
        self.broken = broken
        self.jobs: list[Any] = []
        self.done: list[Outcome] = []

    def seats(self) -> list[Seat]:
        return list(self.here)

    def submit(self, seat: Seat, function: Callable[[Any], Any], job: Any) -> None:
        self.jobs.append(job)
        if self.broken(job):
            self.here = [Seat(each.name, each.life + 1) if each == seat else each for each in self.here]
            self.done.append(Outcome(seat, lost=True))
            return
        try:
            self.done.append(Outcome(seat, function(job)))
        except Exception as error:
            self.done.append(Outcome(seat, error=error))

    def outcomes(self, timeout: float) -> list[Outcome]:
        done, self.done = self.done, []
        return done

    def retire(self, seat: Seat) -> None:
        self.here.remove(seat)

    def stop(self) -> None:
        pass


def campaign(
    path: Path,
    config: Config | None,
    crew: Inline | None = None,
    limits: Limits | None = None,
    slices: int | None = None,
) -> Conductor:
    """Run a campaign in this process until its limits, or so many slices of this start, whatever the clock says; it has
    let go of the directory."""
    lock = prepared(path, config)
    try:
        conductor = Conductor(Directory(path), crew or Inline(), limits or Limits())
        before = conductor.totals.whole.slices

        def enough(conductor: Conductor) -> None:
            if slices is not None and conductor.totals.whole.slices - before >= slices:
                conductor.limits = Limits(0.0)

        conductor.on_update = enough
        enough(conductor)
        conductor.run()
        return conductor
    finally:
        lock.release()


def told(conductor: Conductor) -> list[str]:
    """Everything that was told."""
    return [each.text for each in conductor.state.news]


def whole_state(directory: Path) -> tuple[set[str], set[str], set[str], int]:
    """Findings, failures that wait, inputs, executions: each readable, and each as its name says."""
    state = Directory(directory)
    for path in directory.glob("pending/*.json"):
        json.loads(path.read_text())
    assert len(state.pending.waiting) == len(list(directory.glob("pending/*.json")))
    assert len(state.findings.known) == len([p for p in (directory / "findings").glob("*") if p.name[0] != "."])
    inputs = set()
    for corpus in state.corpora.values():
        for path in (corpus.directory / "inputs").glob("[!.]*"):
            assert path.name in corpus.entries, "an input is what its name says"
            assert corpus.entries[path.name].features
            inputs.add(path.name)
    for path in directory.glob("stats/*.jsonl"):
        whole = path.read_bytes().rpartition(b"\n")[0].split(b"\n")
        assert all(isinstance(json.loads(line), dict) for line in whole if line)
    return set(state.findings.known), set(state.pending.waiting), inputs, state.totals.whole.executions
