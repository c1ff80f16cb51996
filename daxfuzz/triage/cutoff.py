"""The smallest scale at which a finding appears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from daxfuzz.kernel.machine import GUP_PIN_COUNTING_BIAS
from daxfuzz.program.case import Call, Case, Program
from daxfuzz.program.dax_file import dumps_case, loads_case
from daxfuzz.program.errors import InputError
from daxfuzz.search import Bounds, Reduction
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.verify import search_for

SMALLEST_BIAS = 2

PLAIN_REFERENCES = ("get_user_pages", "get_user_pages_fast")
"""Calls that take a FOLL_GET reference."""


@dataclass(frozen=True, slots=True)
class Point:
    """One scale.

    bias: GUP_PIN_COUNTING_BIAS there. count: plain references, pages of each file, or tasks.
    shown: whether the finding appears. exhausted: whether everything was searched, if it does not.
    """

    bias: int
    count: int
    shown: bool
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Cutoff:
    """What was verified, scale by scale.

    statement: the smallest scale at which the finding appears, and the largest without it, for a reader.
    """

    points: tuple[Point, ...]
    statement: str


def cutoff(
    case: Case,
    kernel: KernelChoice,
    what: str,
    bounds: Bounds,
    reduction: Reduction,
    on_point: Callable[[Point], None] = lambda point: None,
) -> Cutoff:
    """Search a case's program at one scale after the other for the finding that it declares.

    what: "bias": for each GUP_PIN_COUNTING_BIAS from 2 up to that of the case, how many of its plain references it
        takes; "pages": files of 1, 2, ... pages, up to the size of the largest one; "tasks": all sets of 1, 2, ... of
        its tasks. bounds: of each search.
    """
    points = []
    for bias, scales in all_scales(case, what):
        for count, programs in scales:
            found = exhausted = bool(programs)
            shown = False
            for program in programs:
                verdict = search_for(program, kernel, bounds, reduction, case.finding)
                shown = any(each.violation.kind == case.finding for each in verdict.findings)
                exhausted = exhausted and verdict.exhausted
                if shown:
                    break
            if not found:
                continue
            points.append(Point(bias, count, shown, exhausted))
            on_point(points[-1])
            if shown:
                break
    return Cutoff(tuple(points), statement(case, what, points))


def all_scales(case: Case, what: str) -> Iterator[tuple[int, Iterator[tuple[int, list[Program]]]]]:
    """For each bias the scales to try, the smallest first, each with its programs."""
    program = case.program
    bias = program.machine.bias
    if what == "bias":
        for smaller in range(SMALLEST_BIAS, bias + 1):
            scaled = replace(program, machine=replace(program.machine, bias=smaller))
            total = sum(call.name in PLAIN_REFERENCES for calls in program.tasks.values() for call in calls)
            yield smaller, ((count, valid(case, [with_references(scaled, count)])) for count in range(total + 1))
    elif what == "pages":
        most = max(program.setup.files.values())
        yield bias, ((pages, valid(case, [with_pages(program, pages)])) for pages in range(1, most + 1))
    else:
        names = list(program.tasks)
        yield (
            bias,
            (
                (count, valid(case, [with_tasks(program, chosen) for chosen in combinations(names, count)]))
                for count in range(1, len(names) + 1)
            ),
        )


def with_references(program: Program, count: int) -> Program:
    """The last plain references only, without the calls that use the others."""
    places = [(name, call.result) for name, calls in program.tasks.items() for call in calls if plain(call)]
    gone = places[: len(places) - count]
    tasks = {
        name: tuple(
            call
            for call in calls
            if not (plain(call) and (name, call.result) in gone)
            and not any((name, argument) in gone for argument in call.arguments)
        )
        for name, calls in program.tasks.items()
    }
    return replace(program, tasks=tasks)


def plain(call: Call) -> bool:
    """Whether a call takes a plain reference."""
    return call.name in PLAIN_REFERENCES


def with_pages(program: Program, pages: int) -> Program:
    """Files of so many pages at most."""
    files = {name: min(size, pages) for name, size in program.setup.files.items()}
    return replace(program, setup=replace(program.setup, files=files))


def with_tasks(program: Program, chosen: tuple[str, ...]) -> Program:
    """Some of the tasks."""
    members = {name: tuple(task for task in tasks if task in chosen) for name, tasks in program.setup.mms.items()}
    mms = {name: tasks for name, tasks in members.items() if tasks}
    tasks = {name: calls for name, calls in program.tasks.items() if name in chosen}
    return replace(program, tasks=tasks, setup=replace(program.setup, mms=mms))


def valid(case: Case, programs: list[Program]) -> list[Program]:
    """Those that could be the program of a case."""
    found = []
    for program in programs:
        try:
            text = dumps_case(replace(case, program=program, schedule=replace(case.schedule, steps=(), order=())))
            found.append(loads_case(text).program)
        except InputError:
            continue
    return found


def statement(case: Case, what: str, points: list[Point]) -> str:
    """The outcome in kernel units."""
    shown = [point for point in points if point.shown]
    unit = {"bias": "plain references", "pages": "pages", "tasks": "tasks"}[what]
    if not shown:
        most = max((point.count for point in points), default=0)
        complete = all(point.exhausted for point in points)
        return f"{case.finding} does not appear with up to {most} {unit}" + ("" if complete else ", as far as searched")
    last = shown[-1]
    clean = [point for point in points if point.bias == last.bias and not point.shown]
    largest = max((point.count for point in clean if point.exhausted), default=None)
    cut = "" if all(point.exhausted for point in clean) else " (a bound was reached below)"
    without = "" if largest is None else f"; the largest verified without it: {largest}{cut}"
    if what != "bias":
        return f"{case.finding} appears with {last.count} {unit}{without}"
    missing = {point.bias - point.count for point in shown}
    at = " and ".join(f"{point.count} at {point.bias}" for point in shown)
    if len(missing) > 1 or len(shown) < 2:
        return f"{case.finding} appears with {at} {unit} at GUP_PIN_COUNTING_BIAS{without}"
    less = missing.pop()
    formula = f"BIAS-{less}" if less > 0 else f"BIAS+{-less}" if less else "BIAS"
    scaled = GUP_PIN_COUNTING_BIAS - less
    return (
        f"{case.finding} appears with {formula} plain references: {scaled} at GUP_PIN_COUNTING_BIAS = "
        f"{GUP_PIN_COUNTING_BIAS} (verified: {at}{without})"
    )
