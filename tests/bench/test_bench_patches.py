"""Runs that tell the patches of the series apart, and traces that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, written

from daxfuzz.bench import patches
from daxfuzz.bench.observe import OBSERVATIONS
from daxfuzz.bench.patch_runs import PLANS, PatchPlan, PatchRun
from daxfuzz.bench.patches import (
    RunResult,
    compare_patches,
    equal_traces,
    explore,
    first_difference,
    program_of,
    run_on_both,
)
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.compose import compose
from daxfuzz.protocols.user_patches import load_patches
from daxfuzz.triage.bench import KernelChoice

KEYS = {"name", "program", "before", "after", "compared", "result_before", "result_after", "differs"}
FIRST_PATCHES = [(plan, each) for plan in PLANS[:3] for each in plan.runs]
REMOVAL = [
    (plan, each)
    for plan in PLANS[3:]
    for each in plan.runs
    if each.name in ("05b", "07a", "07b", "07c", "10a", "11b", "12a", "12b", "12c", "12d", "13a", "13c")
]


@pytest.fixture
def pool() -> Iterator[Executor]:
    """Jobs run in this process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def result_of(pool: Executor, name: str) -> RunResult:
    plan, wanted = next((plan, each) for plan in PLANS for each in plan.runs if each.name == name)
    return run_on_both(pool, plan, wanted)


# -- the data ----------------------------------------------------------------------------------------------------


def test_there_is_a_plan_for_each_patch() -> None:
    assert [plan.number for plan in PLANS] == list(range(1, 14))
    for plan in PLANS:
        assert plan.pure or plan.runs
    runs = [each for plan in PLANS for each in plan.runs]
    assert len({each.name for each in runs}) == len(runs)
    assert {each.observe for each in runs} == set(OBSERVATIONS)


def test_mutations_exist_and_compose() -> None:
    for name in {name: each for plan in PLANS for each in plan.runs for name in each.mutations}:
        file = Path(patches.__file__).parent / name.partition(":")[0]
        (mutation,) = load_patches(str(file)).values()
        base = tuple(patches.SERIES["series-v1"])
        assert mutation in compose((*base, mutation)).patches


# -- distinguishing runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "each"), FIRST_PATCHES + REMOVAL, ids=[each.name for _, each in FIRST_PATCHES + REMOVAL]
)
def test_patches_differ_where_they_should(pool: Executor, plan: PatchPlan, each: PatchRun) -> None:
    result = run_on_both(pool, plan, each)
    assert result.as_expected is True
    assert result.result_before is not None
    assert result.result_before.complete


def test_what_the_kernels_show(pool: Executor) -> None:
    lost = result_of(pool, "02b")
    assert lost.result_before is not None
    assert lost.result_after is not None
    assert lost.result_before.observed == ("none",)
    assert "lost-wakeup" in lost.result_after.observed
    wakes = result_of(pool, "02c-wakes")
    assert wakes.result_before is not None
    assert wakes.result_after is not None
    assert (wakes.result_before.observed, wakes.result_after.observed) == (("0",), ("1",))


def test_a_space_that_is_cut_says_so() -> None:
    each = replace(FIRST_PATCHES[0][1], schedules=5)
    space = explore(each, program_of(each), KernelChoice(KernelSpec("pin-wait")))
    assert (space.schedules, space.complete) == (5, False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tasks": {"t": ["divide(file0, 0)"]}}, 'no operation is called "divide"'),
        ({"machine": {"gears": 4}}, "no gears in the machine"),
        ({"setup": {"colour": 4}}, "no colour in the setup"),
        ({"filesystem": "tmpfs"}, "no file system tmpfs"),
        ({"kernels": (98, 99)}, "no patch 98"),
        ({"repaired": ("F-99",)}, "no repair of F-99"),
    ],
)
def test_what_does_not_exist_is_not_available(pool: Executor, change: dict[str, object], reason: str) -> None:
    plan, each = FIRST_PATCHES[0]
    result = run_on_both(pool, plan, replace(each, **change))
    assert (result.differs, result.as_expected) == (None, None)
    assert reason in result.reason


def test_a_run_without_an_expectation_is_only_reported(pool: Executor) -> None:
    plan, each = FIRST_PATCHES[0]
    result = run_on_both(pool, plan, replace(each, differs=None))
    assert (result.differs, result.as_expected) == (True, None)


@pytest.mark.parametrize(
    ("observe", "seen"),
    [
        ("outcomes", "none; mapper 1000; mapper1 2000"),
        ("indices", "0 - "),
        ("mapping-stores", "1 0 "),
        ("entry-waits", "1"),
    ],
)
def test_what_is_observed(observe: str, seen: str) -> None:
    two = PatchRun(
        "x",
        "",
        observe,
        None,
        {"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 0)"]},
        setup={"prefault": False},
    )
    space = explore(two, program_of(two), KernelChoice(KernelSpec("refcount-1")))
    assert any(f"{each} ".startswith(seen) for each in space.observed), space.observed


# -- equal traces ------------------------------------------------------------------------------------------------


def test_a_rename_leaves_equal_traces(pool: Executor) -> None:
    same = equal_traces(pool, 1, 300, 0)
    assert (same.executions, same.first, same.holds) == (300, None, True)


def test_a_change_does_not(pool: Executor) -> None:
    same = equal_traces(pool, 2, 300, 0)
    assert same.first is not None
    assert not same.holds
    assert same.executions == same.first + 1


def test_chunks_start_where_they_are_told() -> None:
    _, first = first_difference(2, "ext4", 0, 0, 300)
    assert first is not None
    start = first // 20 * 20
    assert first_difference(2, "ext4", 0, start, 20) == (first - start + 1, first)


def test_a_patch_that_is_not_there_is_not_equivalent(pool: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "patches_there", lambda: 0)
    (result,) = compare_patches(pool, PLANS[:1], 100, 0, lambda text: None)
    assert result.equivalence is None
    assert "no patch 01" in result.reason


# -- the command -------------------------------------------------------------------------------------------------


def test_the_document(tmp_path: Path) -> None:
    result = run("bench", "patches", "--patch", 1, "--patch", 2, "--executions", 40, "--workers", 1, "--json")
    assert result.exit_code == 0
    first, second = json.loads(result.stdout)["patches"]
    assert (first["patch"], first["equivalent"], first["equivalence"]["executions"]) == (1, True, 40)
    assert "busy page" in first["title"]
    assert second["equivalent"] is None
    for each in second["runs"]:
        assert each.keys() >= KEYS
        assert each["available"] == (each["differs"] is not None) == (not each["reason"])
    wanted = next(each for each in second["runs"] if each["name"] == "02a")
    assert (wanted["before"], wanted["after"], wanted["differs"]) == ("series-v1:1", "series-v1:2", True)
    assert wanted["result_after"]["observed"] == ["freed-while-referenced", "none"]
    # The program is a case: it stays clean on the kernel before.
    assert run("repro", written(tmp_path, wanted["program"])).exit_code == 0


def test_the_text() -> None:
    result = run("bench", "patches", "--patch", 3, "--workers", 1)
    assert result.exit_code == 0
    assert "03b" in result.stdout
    assert "NOT AS EXPECTED" not in result.stdout


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--patch", "14"], "1<=x<=13"),
        (["--patch", "rename"], "--patch"),
        (["--executions", "0"], "x>=1"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options(args: list[str], part: str) -> None:
    assert_one_line(run("bench", "patches", *args), part)
