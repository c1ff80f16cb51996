"""What a corpus holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from daxfuzz.program.case import Case
from daxfuzz.program.operations import SIGNATURES


@dataclass(slots=True)
class Stats:
    """cases: how many; the rest by name, how many cases have it. uncalled: operations that no case calls."""

    cases: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    protocols: Counter[str] = field(default_factory=Counter)
    filesystems: Counter[str] = field(default_factory=Counter)
    tasks: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)

    @property
    def uncalled(self) -> list[str]:
        return [name for name in SIGNATURES if name not in self.operations]


def count(cases: Iterable[Case]) -> Stats:
    """Count what cases have in common."""
    stats = Stats()
    for case in cases:
        stats.cases += 1
        stats.findings[case.finding] += 1
        stats.protocols[case.kernel.protocol] += 1
        stats.filesystems[case.kernel.filesystem] += 1
        stats.tasks[len(case.program.tasks)] += 1
        stats.operations.update({call.name for calls in case.program.tasks.values() for call in calls})
    return stats
