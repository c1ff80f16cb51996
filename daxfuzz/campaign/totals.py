"""How far a campaign is: the sums over all lines that were written, by this start and those before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from daxfuzz.engines.jobs import Symptom

Arm = tuple[str, str, str]
"""(kernel, engine, strategy)"""


@dataclass(slots=True)
class Sum:
    """Sums of some slices."""

    slices: int = 0
    executions: int = 0
    steps: int = 0
    stuck: int = 0
    programs: int = 0
    tasks: int = 0
    sampled: int = 0
    inputs: int = 0
    new_features: int = 0
    seconds: float = 0.0

    def add(self, line: dict[str, Any]) -> None:
        """Take in the line of one slice."""
        self.slices += 1
        self.executions += line["executions"]
        self.steps += line["steps"]
        self.stuck += line["stuck"]
        self.programs += line["programs"]
        self.tasks += line["tasks"]
        self.sampled += line["sampled"]
        self.inputs += line["inputs"]
        self.new_features += line["new"]
        self.seconds += line["seconds"]


@dataclass(slots=True)
class CanaryState:
    """What the hunts of the canary have shown. last: campaign seconds at the end of the latest one."""

    hunts: int = 0
    found: int = 0
    last: float = 0.0
    last_executions: int = 0
    alive: bool = True


@dataclass(slots=True)
class Totals:
    """Sums over a campaign.

    running: seconds that it has run, over all starts.
    next_slice: a number that no slice has had.
    hits: executions by kernel and symptom.
    """

    whole: Sum = field(default_factory=Sum)
    by_arm: dict[Arm, Sum] = field(default_factory=dict)
    by_kernel: dict[str, Sum] = field(default_factory=dict)
    hits: dict[tuple[str, Symptom], int] = field(default_factory=dict)
    canary: CanaryState = field(default_factory=CanaryState)
    running: float = 0.0
    next_slice: int = 0
    starts: int = 0
    lost: int = 0
    errors: int = 0
    last_new: float = 0.0

    def add(self, line: dict[str, Any]) -> None:
        """Take in a line. Lines of a later format are taken as far as they are known."""
        self.running = max(self.running, line.get("t", 0.0))
        match line.get("event"):
            case "slice":
                self._slice(line)
            case "start":
                self.starts += 1
            case "finding":
                self.last_new = max(self.last_new, line["t"])
            case "lost":
                self.lost += 1
            case "error":
                self.errors += 1
            case "canary":
                self._hunt(line)

    def _slice(self, line: dict[str, Any]) -> None:
        kernel = line["kernel"]
        arm = (kernel, line["engine"], line["strategy"])
        for each in (self.whole, self.by_arm.setdefault(arm, Sum()), self.by_kernel.setdefault(kernel, Sum())):
            each.add(line)
        for kind, function, channel, count in line["hits"]:
            key = (kernel, Symptom(kind, function, channel))
            self.hits[key] = self.hits.get(key, 0) + count
        self.next_slice = max(self.next_slice, line["n"] + 1)

    def _hunt(self, line: dict[str, Any]) -> None:
        canary = self.canary
        canary.hunts += 1
        canary.found += line["alive"]
        # Lines of different files come in any order.
        if line["t"] >= canary.last:
            canary.last, canary.last_executions, canary.alive = line["t"], line["executions"], line["alive"]


def totals_of(lines: Iterable[tuple[str, dict[str, Any]]]) -> Totals:
    """The sums over lines with their writers; lines without what they should have are left out."""
    totals = Totals()
    for _, line in lines:
        try:
            totals.add(line)
        except (KeyError, TypeError, ValueError):
            continue
    return totals
