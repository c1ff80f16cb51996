"""The minimum of each known flaw, from fat programs: size, attribution, replay, and that nothing can be left out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from triage_kit import FLAWS, failing, kernel

from daxfuzz.program.calls import check_calls, parse_call
from daxfuzz.program.case import Program
from daxfuzz.program.dax_file import dumps_case, load_case, loads_case
from daxfuzz.program.processes import address_spaces
from daxfuzz.search import Replay
from daxfuzz.triage import minimize
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.finding import Finding, triage
from daxfuzz.triage.minimize import exactly_simplest, fewer_calls, fewer_tasks, reductions, without_switches
from daxfuzz.triage.order import replay_order
from daxfuzz.triage.proof import prove
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.reproduce import QUICK, Effort, Failure, Goal, hints_of, replay, search

MINIMA = {
    ("pin-wait", "F-01"): (2, 2, 0, 0),
    ("pin-wait", "F-02"): (2, 5, 1, 0),
    ("pin-wait", "F-07"): (2, 3, 0, 0),
    ("pin-wait", "F-08"): (2, 3, 1, 0),
    ("pin-wait", "F-10"): (2, 3, 2, 0),
    ("refcount-1", "F-07"): (2, 3, 0, 0),
    ("refcount-1", "F-08"): (2, 3, 1, 0),
    ("refcount-1", "F-10"): (2, 3, 2, 0),
}
"""Tasks, operations, preemptions, choices."""

CONSTRAINTS = {"F-01": 1, "F-02": 2, "F-07": 1, "F-08": 2, "F-10": 2}
"""The fewest with which every interleaving fails."""

FATTENED = {
    "flaws/pin-wait-f06-eviction": (2, 3, 0, 0, 1),
    "flaws/pin-wait-f13-unbind-ignores-pins": (1, 2, 0, 0, 0),
    "flaws/pin-wait-f14-fault-and-unbind": (2, 2, 0, 0, 1),
    "bugs/break-layout-empty-range": (2, 2, 0, 0, 1),
    "bugs/evict-ignores-pins": (1, 3, 0, 0, 0),
    "bugs/fuse-open-leaks-invalidate-lock": (2, 3, 0, 0, 1),
    "bugs/gup-put-skips-fsdax-wake": (2, 3, 1, 0, 2),
}
"""Cases of the corpus that get more tasks, files and calls: tasks, operations, preemptions, choices, constraints."""

CORPUS = Path(__file__).parents[2] / "corpus"

ENOUGH = Effort(300, 60)
"""Several times what a minimizer spends on a candidate; the programs are small."""

EACH = pytest.mark.parametrize(("protocol", "flaw"), MINIMA, ids=[" ".join(key) for key in MINIMA])


@cache
def found(protocol: str, flaw: str) -> Finding:
    on = kernel(protocol)
    return triage(failing(FLAWS[flaw].program, on, FLAWS[flaw].kind), on)


def turns(finding: Finding) -> list[int]:
    numbers = {name: index for index, name in enumerate(finding.case.program.tasks)}
    return [numbers[name] for name, count in finding.case.schedule.steps for _ in range(count)]


@EACH
def test_the_minimum_is_as_small_as_the_flaw_allows(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    assert (finding.tasks, finding.operations, finding.preemptions, finding.choices) == MINIMA[protocol, flaw]
    assert finding.tasks == len(finding.case.program.tasks)
    assert finding.operations == sum(map(len, finding.case.program.tasks.values()))
    assert finding.steps == len(turns(finding))


@EACH
def test_the_flaw_is_explained_by_its_own_repair_alone(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    assert finding.explained_by == finding.case.repaired_by == (FLAWS[flaw].repair,)
    assert finding.kind == finding.case.finding == FLAWS[flaw].kind
    assert finding.signature.split("/")[0] == finding.kind
    assert finding.signature.split("/")[-1] == FLAWS[flaw].repair
    assert finding.case.kernel.protocol == protocol
    assert finding.case.kernel.patches == ()


@EACH
def test_the_case_comes_back_from_its_text_unchanged(protocol, flaw) -> None:
    case = found(protocol, flaw).case
    text = dumps_case(case)
    # The text leaves out that each task has an address space of its own, and reading it says so.
    setup = replace(case.program.setup, mms=address_spaces(case.program))
    assert loads_case(text) == replace(case, program=replace(case.program, setup=setup))
    assert dumps_case(loads_case(text)) == text


@EACH
def test_the_case_reproduces_on_trio_by_its_steps(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    case = loads_case(dumps_case(finding.case))
    scheduler = Replay(turns(finding))
    execution = Bench(case.program, kernel(protocol)).run_on_trio(scheduler)
    violation = verdict(execution)
    assert violation is not None
    assert (violation.kind, violation.message) == (finding.kind, finding.message)
    assert scheduler.diverged_at is None
    assert len(execution.turns) == finding.steps


@EACH
def test_the_case_reproduces_by_its_order_alone(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    bench = Bench(finding.case.program, kernel(protocol))
    execution, tried, why = replay_order(bench, finding.case.schedule.order, finding.kind)
    assert execution is not None, why
    assert tried == 1
    found_again = verdict(bench.run_on_trio(Replay(execution.turns)))
    assert found_again is not None
    assert found_again.kind == finding.kind


@EACH
def test_a_finding_that_needs_no_preemption_needs_no_order(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    if finding.preemptions == finding.choices == 0:
        assert finding.case.schedule.order == ()


@EACH
def test_the_repair_silences_the_case(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    repaired = kernel(protocol, *finding.case.repaired_by)
    assert search(finding.case.program, repaired, Goal(finding.kind), ENOUGH, [Replay(turns(finding))]) is None


@EACH
def test_the_cause_takes_no_more_constraints_than_it_has_to(protocol, flaw) -> None:
    case = found(protocol, flaw).case
    again = replay(case.program, kernel(protocol), turns(found(protocol, flaw)))
    assert again is not None
    proof = prove(again)
    assert proof.exhausted
    assert len(proof.constraints) == CONSTRAINTS[flaw]
    assert all(each.without is not None for each in proof.needed)


def fattened(program: Program) -> Program:
    """With a second file, calls on it around those of each task, and a task that has nothing to do with them."""
    tasks = {
        name: (parse_call("fsync(spare)"), *calls, parse_call("load(spare, 0)"))
        for name, calls in program.tasks.items()
    }
    tasks["bystander"] = (parse_call("store(spare, 1)"), parse_call("fsync(spare)"))
    mms = {**program.setup.mms, "mmb": ("bystander",)} if program.setup.mms else {}
    setup = replace(program.setup, files={**program.setup.files, "spare": 2}, mms=mms)
    fat = replace(program, tasks=tasks, setup=setup)
    check_calls(fat)
    return fat


@pytest.mark.parametrize("name", FATTENED)
def test_what_was_added_goes_again(name) -> None:
    case = load_case(str(CORPUS / f"{name}.dax"))
    on = KernelChoice(case.kernel)
    replayed = replay_case(case, on)
    failure = Failure(case.program, on, replayed.execution, replayed.found)
    fat = search(fattened(case.program), on, failure.goal, QUICK, hints_of(failure))
    assert fat is not None
    smaller: list[int] = []
    minimum = minimize.minimize(fat, lambda each: smaller.append(operations(each.program)))
    proof = prove(minimum.failure)
    assert proof.exhausted
    program = minimum.failure.program
    size = (len(program.tasks), operations(program), minimum.preemptions, minimum.choices, len(proof.constraints))
    assert size == FATTENED[name]
    assert smaller == sorted(smaller, reverse=True)
    assert smaller[-1] == operations(program)


def operations(program: Program) -> int:
    return sum(map(len, program.tasks.values()))


def deletions(program: Program) -> list[Program]:
    """The reductions that leave out one call or one task; signals and registers that depend on it go with it."""
    smaller = [*fewer_tasks(program), *fewer_calls(program)]
    return [candidate for candidate in reductions(program) if candidate in smaller]


@EACH
def test_no_call_can_be_left_out(protocol, flaw) -> None:
    finding = found(protocol, flaw)
    candidates = deletions(finding.case.program)
    assert len(candidates) >= finding.operations
    for candidate in candidates:
        assert search(candidate, kernel(protocol), Goal(finding.kind), ENOUGH) is None, candidate.tasks


def test_schedules_with_two_preemptions_are_enumerated_once(monkeypatch) -> None:
    fat = FLAWS["F-08"]
    known = replace(without_switches(failing(fat.program, kernel("refcount-1"), fat.kind)), preemptions=2)
    exact = exactly_simplest(known)
    assert exact.exact
    assert exact.preemptions < 2
    monkeypatch.setattr(minimize, "enumerated", None)
    again = replace(exact, preemptions=2)
    assert exactly_simplest(again) is again
