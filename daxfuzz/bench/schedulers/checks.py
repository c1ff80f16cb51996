"""What the rows must show, as facts that each run computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daxfuzz.bench.schedulers.published import Figure
from daxfuzz.bench.schedulers.rows import Row

FACTOR = 4
"""By which a mean may differ from a published one."""

SHARE = 0.94
"""Of the comparable cells, that must be within FACTOR."""

COMPARED = ("pct-3", "pos", "surw")
"""The random walk depends on what it costs to start a thread, and so does the uniform one."""

SURW_LIMIT = 40

REORDER = ("CS/reorder_3", "CS/reorder_4", "CS/reorder_5", "CS/reorder_20")
TWOSTAGE = ("CS/twostage", "CS/twostage_50")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A mean beside a published one."""

    row: Row
    figure: Figure

    @property
    def factor(self) -> float:
        """How many times as many schedules as published; infinite if none found the bug."""
        assert self.figure.mean is not None
        return float("inf") if self.row.mean is None else self.row.mean / self.figure.mean

    @property
    def inside(self) -> bool:
        """Whether it is within FACTOR."""
        return 1 / FACTOR <= self.factor <= FACTOR


def comparisons(rows: Iterable[Row]) -> list[Comparison]:
    """All cells that are to be compared, one for each artifact that has a mean."""
    return [
        Comparison(row, figure)
        for row in rows
        if row.strategy in COMPARED
        for figure in row.figures
        if figure.mean is not None
    ]


@dataclass(frozen=True, slots=True)
class Fact:
    """holds: None if it was not measured."""

    statement: str
    holds: bool | None
    measured: str


def facts(rows: Sequence[Row]) -> list[Fact]:
    """What must hold, with what was measured of it."""
    return [
        agreement(rows),
        surw_is_fast(rows),
        flat(rows, "surw", REORDER),
        flat(rows, "surw", TWOSTAGE),
        flat(rows, "rff", REORDER),
        grows(rows, "pct-3", REORDER, 4),
        grows(rows, "pos", REORDER, 4),
        grows(rows, "pct-3", TWOSTAGE, 10),
        grows(rows, "pos", TWOSTAGE, 10),
        never(rows, "random", REORDER),
    ]


def agreement(rows: Sequence[Row]) -> Fact:
    """Of the published means, how many are reproduced."""
    compared = comparisons(rows)
    inside = sum(each.inside for each in compared)
    return Fact(
        f"at least {SHARE:.0%} of the published means of {', '.join(COMPARED)} are within a factor of {FACTOR}",
        inside >= SHARE * len(compared) if compared else None,
        f"{inside} of {len(compared)}" + (f", {inside / len(compared):.1%}" if compared else ""),
    )


def surw_is_fast(rows: Sequence[Row]) -> Fact:
    chosen = selected(rows, "surw", (*REORDER, *TWOSTAGE))
    return Fact(
        f"surw needs at most {SURW_LIMIT} schedules on each row of reorder and twostage",
        all(row.expected is not None and row.expected <= SURW_LIMIT for row in chosen) if chosen else None,
        series(chosen),
    )


def flat(rows: Sequence[Row], strategy: str, family: Sequence[str]) -> Fact:
    """No program of a family needs many times as many schedules as another one."""
    chosen = selected(rows, strategy, family)
    numbers = [row.expected for row in chosen]
    holds = None
    if len(chosen) == len(family):
        known = [number for number in numbers if number is not None]
        holds = len(known) == len(numbers) and max(known) <= FACTOR * min(known)
    return Fact(
        f"{strategy} stays flat along {stem(family)}: the most is at most {FACTOR} times the least",
        holds,
        series(chosen),
    )


def grows(rows: Sequence[Row], strategy: str, family: Sequence[str], by: float) -> Fact:
    """The last program of a family needs many times as many schedules as the first one."""
    chosen = selected(rows, strategy, family)
    holds = None
    if len(chosen) == len(family):
        first, last = chosen[0].expected, chosen[-1].expected
        # What was never found took more than all the executions there were.
        holds = first is not None and (last is None or last >= by * first)
    return Fact(
        f"{strategy} grows fast along {stem(family)}: the last needs at least {by:g} times as many as the first",
        holds,
        series(chosen),
    )


def never(rows: Sequence[Row], strategy: str, family: Sequence[str]) -> Fact:
    chosen = selected(rows, strategy, family)
    return Fact(
        f"{strategy} never finds {stem(family)}",
        not any(row.found for row in chosen) if chosen else None,
        ", ".join(f"{row.program}: {row.found} of {row.trials}" for row in chosen),
    )


def selected(rows: Sequence[Row], strategy: str, programs: Sequence[str]) -> list[Row]:
    """The rows of a strategy, in the order of the programs."""
    by_program = {row.program: row for row in rows if row.strategy == strategy}
    return [by_program[program] for program in programs if program in by_program]


def series(rows: Sequence[Row]) -> str:
    """Expected numbers for a reader."""
    return ", ".join(f"{row.program}: {'never' if row.expected is None else f'{row.expected:,.1f}'}" for row in rows)


def stem(family: Sequence[str]) -> str:
    """The common name of a family, with its numbers."""
    first, last = family[0].partition("/")[2], family[-1].partition("/")[2]
    return f"{first} .. {last}"
