"""Which executions a search for a failure makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from daxfuzz.program.dax_file import load_case
from daxfuzz.search import MEMORYLESS, bounded_runs, make_scheduler
from daxfuzz.sim import Execution
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.reproduce import Effort, candidates, with_fair_turns

CORPUS = Path(__file__).parents[2] / "corpus"
EFFORT = Effort(60, 25)


def every_one(bench: Bench, limit: int) -> Iterator[Execution]:
    """All executions that there were if none were left out."""
    for run in bounded_runs(bench.sim.world, EFFORT.simple, 1, limit):
        yield with_fair_turns(bench, run.execution, limit)
    bound = 200
    for index in range(EFFORT.random):
        for name in MEMORYLESS:
            execution = bench.run(make_scheduler(name, Random(index), bound), limit)
            bound = max(len(execution.turns), 1)
            yield execution


@pytest.mark.parametrize(
    ("case", "limit", "fewer"),
    [
        ("flaws/pin-wait-f02-lost-wakeup", 1_000, True),
        ("bugs/hole-replace-wakes-one", 1_000, True),
        # It spins, so that all are cut.
        ("flaws/refcount-0-f11b-two-files-spin", 150, False),
    ],
)
def test_what_is_left_out_has_been_there(case: str, limit: int, fewer: bool) -> None:
    loaded = load_case(CORPUS / f"{case}.dax")
    kernel = KernelChoice(loaded.kernel)
    plain = [tuple(each.turns) for each in every_one(Bench(loaded.program, kernel), limit)]
    found = [tuple(each.turns) for each in candidates(Bench(loaded.program, kernel), EFFORT, (), limit)]
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(plain))
    assert (len(found) < len(plain)) == fewer
