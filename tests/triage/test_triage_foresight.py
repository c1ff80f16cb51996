"""What exhaustive search foresees of kernels is what taking the step shows."""

from functools import cache
from pathlib import Path

import pytest

from daxfuzz.program.dax_file import load_case
from daxfuzz.search import Bounds, Exhaustive, Reduction, Verdict
from daxfuzz.search.footprint import Footprint
from daxfuzz.search.state_key import Effect, Undo
from daxfuzz.sim import Violation
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.verify import forgetful

CORPUS = Path(__file__).parents[2] / "corpus"

CASES = {
    "flaws/series-v1-f20-association-fails.dax": "pages that are freed",
    "flaws/series-v1-f22-order-0-entry.dax": "calls under way, of which an observer remembers what went meanwhile",
    "bugs/fault-vs-punch-unserialised.dax": "handles of the journal inside others",
    "bugs/pmd-waiter-on-wrong-queue.dax": "mappings made before and during the execution",
}


class Distrustful(Exhaustive):
    """Takes each step that it could foresee, and compares."""

    foreseen = 0

    def _foreseen(self, effect: Effect) -> tuple[Undo, Footprint]:
        self.foreseen += 1
        try:
            undo, footprint = self._take_turn(effect.mover)
        except Violation as found:
            raise AssertionError(f"{effect} was foreseen, and no violation") from found
        assert self._key.effect(undo, footprint) == effect
        return undo, footprint


@pytest.mark.parametrize("name", CASES)
def test_nothing_happens_but_what_was_foreseen(name: str) -> None:
    case = load_case(CORPUS / name)
    search = Distrustful(forgetful(case.program, KernelChoice(case.kernel)).world, Bounds(executions=700))
    search.search()
    assert search.foreseen > 100


@cache
def verdict(reduction: Reduction, foresight: bool) -> Verdict:
    case = load_case(CORPUS / "flaws/series-v1-f22-order-0-entry.dax")
    world = forgetful(case.program, KernelChoice(case.kernel)).world
    found = Exhaustive(world, reduction=reduction, foresight=foresight).search()
    assert found.exhausted
    return found


@pytest.mark.parametrize("reduction", [Reduction.NONE, Reduction.SLEEP, Reduction.PERSISTENT])
def test_nothing_is_lost_by_foresight_and_reduction(reduction: Reduction) -> None:
    plain, other = verdict(Reduction.NONE, False), verdict(reduction, True)
    assert other.final == plain.final
    assert {each.signature for each in other.findings} == {each.signature for each in plain.findings}
    if reduction is not Reduction.PERSISTENT:
        assert other.states == plain.states
