"""Failures that only the limit of turns ends."""

from __future__ import annotations

from random import Random

from daxfuzz.program.dax_file import loads_case
from daxfuzz.search import RandomWalk, RoundRobin
from daxfuzz.triage.bench import TURN_LIMIT, Bench, KernelChoice, verdict
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.minimize import minimum_of
from daxfuzz.triage.reproduce import Effort, Failure, Goal, at_full_length, scheduled, search, settled

SPIN = """
daxfuzz = 1
protocol = "refcount-0"
filesystem = "xfs"
finding = "livelock"

[setup]
files = {file0 = 1, file1 = 1}

[tasks]
pinner = ["r0 = get_user_pages(file1, 0)"]
cloner = ["reflink(file0, 0, file1, 0, 1)"]
"""


def test_a_livelock_of_a_simple_schedule_replays() -> None:
    case = loads_case(SPIN, "spin.dax")
    failure = search(case.program, KernelChoice(case.kernel), Goal("livelock"), Effort(60, 0))
    assert failure is not None
    assert len(failure.execution.turns) > TURN_LIMIT
    confirm(failure)


def random_spin() -> Failure:
    """What the fuzzer finds: a walk that goes on at random for as long as it may."""
    case = loads_case(SPIN, "spin.dax")
    bench = Bench(case.program, KernelChoice(case.kernel))
    execution = bench.run(RandomWalk(Random(0)))
    found = verdict(execution)
    assert found is not None
    assert found.kind == "livelock"
    return Failure(case.program, bench.kernel, execution, found)


def test_an_endless_failure_is_settled_by_the_beginning_of_its_schedule() -> None:
    failure = random_spin()
    short = settled(failure)
    assert short.violation.kind == "livelock"
    assert len(short.execution.turns) < len(failure.execution.turns) / 4
    world = Bench(short.program, short.kernel)
    assert minimum_of(world, short).choices < 100
    assert scheduled(failure.execution) == failure.execution.turns[:TURN_LIMIT]


def test_what_goes_on_to_the_full_limit_is_endless_and_nothing_else_is() -> None:
    short = settled(random_spin())
    whole = at_full_length(short)
    assert whole is not None
    assert len(whole.execution.turns) == 2 * TURN_LIMIT
    confirm(whole)
    # A limit that any program reaches.
    case = loads_case(SPIN.replace("reflink(file0, 0, file1, 0, 1)", "load(file0, 0)"), "ends.dax")
    bench = Bench(case.program, KernelChoice(case.kernel))
    cut = bench.run(RoundRobin(), 3)
    found = verdict(cut)
    assert found is not None
    assert at_full_length(Failure(case.program, bench.kernel, cut, found)) is None
