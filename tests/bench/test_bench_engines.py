"""The measurements of the atheris engine, and random bytes as inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json
from oracle_kit import program

from daxfuzz.bench.bugs import ATHERIS, UNGUIDED, Hunt, Run, hunt
from daxfuzz.bench.engines import DEEP, Guidance, Rate, guidance, sign_test
from daxfuzz.bench.random_inputs import Results, chunks, kernels, run_input, run_inputs
from daxfuzz.cli.bench.engines import middle_of
from daxfuzz.program.bytes_form import encode
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.registry import BUGS
from daxfuzz.sim import SparseSchedule
from daxfuzz.triage.bench import KernelChoice

BUG = "truncate-ignores-dma-pins"
LIMIT = 5_000


def wanted(strategy: str, seed: int = 0, bug: str = BUG) -> Hunt:
    kernel = KernelChoice(KernelSpec("refcount-1-fixed", bugs=(BUG,)))
    return Hunt(bug, kernel, BUGS[BUG].kinds, strategy, seed, LIMIT)


def test_a_hunt_by_atheris_ends_at_the_bug() -> None:
    pytest.importorskip("atheris")
    found = hunt(wanted(ATHERIS, seed=3))
    assert found.kind in BUGS[BUG].kinds
    assert 0 < found.executions <= LIMIT
    assert 0 < found.seconds < 20


def test_a_hunt_without_features_ends_at_its_limit() -> None:
    pytest.importorskip("atheris")
    kernel = KernelChoice(KernelSpec("pin-wait-fixed"))
    found = hunt(Hunt("x", kernel, ("lost-wakeup",), UNGUIDED, 1, 40))
    assert (found.executions, found.kind, found.others) == (40, None, ())


def test_pairs_are_compared() -> None:
    def made(executions: int, kind: str | None = "deadlock") -> Run:
        return Run(executions, 1.0, kind)

    runs = {
        wanted(ATHERIS, 0): made(10),
        wanted(UNGUIDED, 0): made(20),
        wanted(ATHERIS, 1): made(20),
        wanted(UNGUIDED, 1): made(10),
        wanted(ATHERIS, 2): made(LIMIT),
        wanted(UNGUIDED, 2): made(LIMIT, None),
        wanted(ATHERIS, 3): made(LIMIT, None),
        wanted(UNGUIDED, 3): made(LIMIT, None),
        wanted(ATHERIS, 4): made(1),
    }
    assert guidance(runs) == Guidance(2, 1, 1, sign_test(2, 1))


def test_sign_test() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(1, 1) == 0.75
    assert sign_test(5, 0) == pytest.approx(1 / 32)


def test_the_median_round() -> None:
    rates = [Rate(100, 70), Rate(100, 50), Rate(100, 60)]
    assert middle_of(rates) == Rate(100, 60)
    assert middle_of([]) is None


def test_deep_bugs_are_bugs() -> None:
    assert len(set(DEEP)) == 12
    assert set(DEEP) <= set(BUGS)


def test_bench_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris")
    monkeypatch.chdir(tmp_path)
    document = run_json("bench", "engines", "--rounds", "1", "--executions", "100", "--seeds", "0")
    assert document["guidance"] is None
    assert document["speed"] == document["rounds"][0]
    assert document["speed"]["ratio"] == pytest.approx(document["speed"]["atheris"] / document["speed"]["builtin"])
    assert document["speed"]["atheris"] > 20


def test_bench_engines_says_what_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(run("bench", "engines", "--bug", "none"), "unknown bug")


def test_random_inputs_run_on_every_kernel() -> None:
    assert len(kernels()) == len({str(each.spec) + each.spec.filesystem for each in kernels()})
    (chunk,) = chunks(5, len(kernels()))
    results = run_inputs(chunk)
    assert results.errors == []
    assert results.inputs == len(kernels())
    assert results.steps > results.inputs


def test_parts_make_the_whole() -> None:
    parts = list(chunks(5, 250))
    assert [(each.start, each.count) for each in parts] == [(0, 100), (100, 100), (200, 50)]
    whole = Results()
    whole.add(Results(1, 2, 3, ["a"], ["b"]))
    whole.add(Results(1, 2, 3, ["c"], ["d"]))
    assert whole == Results(2, 4, 6, ["a", "c"], ["b", "d"])


def test_errors_and_findings_of_inputs_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results()
    data = encode(program({"t0": ["load(file0, 0)"], "t1": []}), SparseSchedule())
    run_input(data, KernelChoice(KernelSpec("no-such-protocol")), results)
    assert results.inputs == 0
    assert results.errors[0].startswith("UnknownName: ")
    assert results.errors[0].endswith(f"no-such-protocol on ext4: {data.hex()}")
    subject = program({"t0": ["r0 = get_user_pages_fast(file0, 0)"], "t1": ["truncate(file0, 0)"]})
    for bugs, where in (((), 0), ((BUG,), 1)):
        run_input(encode(subject, SparseSchedule()), KernelChoice(KernelSpec("refcount-1-fixed", bugs=bugs)), results)
        assert (results.findings, len(results.repaired)) == (where, where)


def test_bench_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("bench", "inputs", "--inputs", "5", "--workers", "1", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert (document["inputs"], document["errors"], document["seed"]) == (5, [], 0)
