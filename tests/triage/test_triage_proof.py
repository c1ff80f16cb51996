"""Causes as constraints: what is proved holds, each constraint is needed, and no fewer do."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from daxfuzz.program.dax_file import load_case
from daxfuzz.search import Bounds, Constrained, OrderReplay, Replay, Verdict, labels_of
from daxfuzz.sim import Constraint, Label
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.formats.proved import proof_document, proved, statement
from daxfuzz.triage.proof import CLEAN, STAY, Needed, Proof, Run, prove, smallest_cover
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.reproduce import Failure

CORPUS = Path(__file__).parents[2] / "corpus"

CAUSES = {
    "flaws/pin-wait-f01-get-not-waited-for": ["pinner:pte_unchanged.read#2 < truncator:zap_pte_range.write"],
    "flaws/pin-wait-f02-lost-wakeup": [
        "pinner:follow_page_pte.lock#3 < truncator:zap_pte_range.unlock",
        "truncator:page_idle.read < pinner:folio_put_refs.update",
    ],
    "bugs/entry-lock-vs-transaction-abba": ["truncator:do_truncate.lock#2 < writer:ext4_dax_write_iter.lock"],
    "bugs/wait-holding-fs-locks": [
        "pinner:follow_page_pte.lock < truncator:zap_pte_range.unlock",
        "truncator:zap_pte_range.lock < pinner:follow_page_pte.unlock#2",
    ],
}
"""A read of the pte after the count was taken and its clearing; the wait's condition and the put without a wake; ..."""

EACH = pytest.mark.parametrize("case", CAUSES)


@cache
def failure(case: str) -> Failure:
    loaded = load_case(str(CORPUS / f"{case}.dax"))
    replayed = replay_case(loaded, KernelChoice(loaded.kernel))
    assert replayed.found is not None
    return Failure(loaded.program, replayed.bench.kernel, replayed.execution, replayed.found)


@cache
def proof(case: str) -> Proof:
    return prove(failure(case))


@EACH
def test_the_cause(case: str) -> None:
    assert [str(each) for each in proof(case).constraints] == CAUSES[case]
    assert proof(case).exhausted
    assert proof(case).smallest
    assert proof(case).interleavings > 1


@EACH
def test_random_runs_that_keep_the_constraints_fail(case: str) -> None:
    bench = Bench(failure(case).program, failure(case).kernel)
    kept = 0
    for seed in range(90):
        scheduler = OrderReplay(proof(case).constraints, Random(seed), stay=STAY[seed % len(STAY)])
        execution = bench.run(scheduler)
        if not scheduler.impossible:
            kept += 1
            found = verdict(execution)
            assert found is not None
            assert found.kind == proof(case).kind
    assert kept >= 3


@EACH
def test_the_run_without_a_constraint_breaks_it_and_keeps_the_others(case: str) -> None:
    bench = Bench(failure(case).program, failure(case).kernel)
    for each in proof(case).needed:
        assert each.without is not None
        execution = bench.run(Replay(each.without.turns))
        found = verdict(execution)
        assert (CLEAN if found is None else found.kind) == each.without.shows != proof(case).kind
        at = {label: position for position, label in enumerate(labels_of(bench.sim.world, execution.turns))}
        broken = [
            other
            for other in proof(case).constraints
            if other.after in at and at.get(other.before, len(at)) > at[other.after]
        ]
        assert broken == [each.constraint]


def test_where_searches_are_cut_constraints_stay_as_strong_as_it_takes() -> None:
    cut = prove(failure("flaws/pin-wait-f01-get-not-waited-for"), Bounds(executions=1))
    assert cut.exhausted
    assert len(cut.constraints) == 1
    assert cut.interleavings < proof("flaws/pin-wait-f01-get-not-waited-for").interleavings


def test_what_cannot_be_searched_is_sampled(monkeypatch) -> None:
    def cut_short(search: Constrained) -> Verdict:
        return Verdict(bound="time")

    monkeypatch.setattr(Constrained, "search", cut_short)
    monkeypatch.setattr("daxfuzz.triage.proof.SAMPLED", 30)
    cut = prove(failure("flaws/pin-wait-f02-lost-wakeup"), Bounds(seconds=1.0))
    assert not cut.exhausted
    assert not cut.smallest
    assert cut.bound == "time"
    assert 1 <= cut.sampled <= 30
    assert f"{cut.sampled:,} sampled interleaving" in statement(cut)


def label(name: str) -> Label:
    return Label(name, "f", "read")


def test_a_smallest_cover_is_as_small_as_any() -> None:
    constraints = [Constraint(label(f"a{i}"), label(f"b{i}")) for i in range(6)]

    class Known:
        def __init__(self, broken: set[int]) -> None:
            self.broken = broken

        def keeps(self, constraint: Constraint) -> bool:
            return constraints.index(constraint) not in self.broken

    rng = Random(1)
    for _ in range(200):
        runs = [Known(set(rng.sample(range(6), rng.randint(1, 4)))) for _ in range(rng.randint(0, 6))]
        sizes = [
            size
            for size in range(7)
            for chosen in combinations(range(6), size)
            if all(run.broken.intersection(chosen) for run in runs)
        ]
        cover = smallest_cover(constraints, runs)  # type: ignore[arg-type]
        assert cover is not None
        assert len(cover) == min(sizes)
        assert all(run.broken.intersection(map(constraints.index, cover)) for run in runs)
    assert smallest_cover(constraints, [Known(set())]) is None  # type: ignore[list-item]


WITNESS = Run((1, 1, 0))
TWO = (
    Needed(Constraint(label("a"), label("b")), WITNESS),
    Needed(Constraint(label("b"), label("a")), Run((0,), "leak")),
)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Proof("x", TWO, True, interleavings=214, states=30), "2 constraints; all 214 interleavings that satisfy them"),
        (Proof("x", TWO[:1], True, interleavings=3, states=1), "1 constraint; all 3 interleavings that satisfy it"),
        (Proof("x", TWO[:1], True, interleavings=1), "1 constraint; the one interleaving that satisfies it fails."),
        (Proof("x", (), True, interleavings=7, states=2), "No constraint: all 7 interleavings of the program fail"),
        (Proof("x", TWO, True, interleavings=9, loops=True), "all of at least 9 interleavings"),
        (Proof("x", TWO, True, interleavings=2 * 10**20), "all 2.0*10^20 interleavings"),
        (Proof("x", TWO, bound="time", sampled=12), "12 sampled interleavings that satisfy them all fail (time cut"),
    ],
)
def test_what_it_says(made: Proof, text: str) -> None:
    assert text in statement(made)


def test_the_runs_without_one_are_shown() -> None:
    text = proved(Proof("x", TWO, True, interleavings=214), ["p", "q"])
    assert "without the first, this one passes: q*2 p*1" in text
    assert "without the second, this one shows leak instead: p*1" in text
    document = proof_document(Proof("x", TWO, True, interleavings=214), ["p", "q"])
    assert document["constraints"][0] == {
        "order": "a:f.read < b:f.read",
        "without": {"shows": "none", "steps": "q*2 p*1"},
    }
