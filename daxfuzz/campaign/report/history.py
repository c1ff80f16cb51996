"""What the lines of a campaign say about its course."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daxfuzz.campaign.findings import Findings
from daxfuzz.engines.jobs import Symptom

POINTS = 600
"""Of a curve, at most: more cannot be seen."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How far a campaign was. seconds: that it had run."""

    seconds: float
    executions: int
    features: int
    inputs: int


@dataclass(frozen=True, slots=True)
class Try:
    """How long one way of looking took on one kernel to show one finding. censored: it has not shown it so far."""

    way: str
    executions: int
    censored: bool


@dataclass(slots=True)
class History:
    """The course of a campaign. found: (seconds, signature) of each finding; hunts: (seconds, whether the canary was
    found); starts: seconds at each start."""

    moments: list[Moment] = field(default_factory=list)
    found: list[tuple[float, str]] = field(default_factory=list)
    hunts: list[tuple[float, bool]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)


def history(lines: Iterable[tuple[str, dict[str, Any]]], findings: Findings) -> History:
    """The course that lines, with their writers and in any order, tell."""
    ordered = sorted((line for _, line in lines if isinstance(line.get("t"), int | float)), key=lambda line: line["t"])
    slices = [line for line in ordered if line.get("event") == "slice"]
    return History(
        moments=thinned(moments(slices)),
        found=[(line["t"], line["signature"]) for line in ordered if line.get("event") == "finding"],
        hunts=[(line["t"], line["alive"]) for line in ordered if line.get("event") == "canary"],
        starts=[line["t"] for line in ordered if line.get("event") == "start"],
        tries=tries(slices, findings),
    )


def moments(slices: Iterable[dict[str, Any]]) -> list[Moment]:
    """The sums after each slice."""
    found = [Moment(0.0, 0, 0, 0)]
    for line in slices:
        last = found[-1]
        found.append(
            Moment(
                line["t"],
                last.executions + line["executions"],
                last.features + line["new"],
                last.inputs + line["inputs"],
            )
        )
    return found


def thinned(found: Sequence[Moment]) -> list[Moment]:
    """A part of them, with the first and the last."""
    step = max(len(found) // POINTS, 1)
    return [*found[:-1:step], found[-1]]


def tries(slices: Iterable[dict[str, Any]], findings: Findings) -> list[Try]:
    """For each finding on each kernel and each way of looking there: after how many executions of that way it showed,
    to the end of the slice."""
    executions: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str, str], int] = {}
    for line in slices:
        kernel = line["kernel"]
        way = f"{line['engine']}/{line['strategy']}" if line["strategy"] else line["engine"]
        executions[kernel, way] = executions.get((kernel, way), 0) + line["executions"]
        for kind, function, channel, _ in line["hits"]:
            signature = findings.signature_of(kernel, Symptom(kind, function, channel))
            if signature:
                first.setdefault((kernel, way, signature), executions[kernel, way])
    seen = dict.fromkeys((kernel, signature) for kernel, _, signature in first)
    return [
        Try(way, first.get((kernel, way, signature), total), (kernel, way, signature) not in first)
        for (kernel, way), total in sorted(executions.items())
        for other, signature in seen
        if other == kernel and total
    ]
