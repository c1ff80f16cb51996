"""Known bugs found again: what is run, what is counted, and that an interrupted measurement goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench.bugs import PORTFOLIO, clean_hunts, hunt, hunts
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.protocols.registry import BUGS, bug

EASY = "pin-only-idle-test"


def bench(directory: Path, *more: str | int) -> tuple[str | Path | int, ...]:
    """`bench bugs` in a directory of the test, without the control."""
    return "bench", "bugs", "--results", directory / "results", "--clean", 0, *more


def test_every_bug_meets_every_strategy_and_seed_once() -> None:
    wanted = list(hunts(BUGS.values(), ("random", PORTFOLIO), range(3), 50))
    assert len({each.key for each in wanted}) == len(wanted) == len(BUGS) * 2 * 3
    assert {each.executions for each in wanted} == {-(-50 // SCHEDULES_PER_PROGRAM) * SCHEDULES_PER_PROGRAM}


def test_kernels_without_the_bugs_are_run_once_each() -> None:
    wanted = list(clean_hunts(BUGS.values(), 0, 100))
    kernels = {each.kernel for each in wanted}
    assert len(kernels) == len(wanted)
    assert {(each.protocols[0], each.filesystems[0]) for each in BUGS.values()} == {
        (kernel.spec.protocol, kernel.spec.filesystem) for kernel in kernels
    }
    assert not any(kernel.spec.bugs for kernel in kernels)


def test_a_hunt_ends_where_fuzz_says_that_it_was_found() -> None:
    (wanted,) = hunts([bug(EASY)], (PORTFOLIO,), [3], 400)
    found = hunt(wanted)
    document = run_json("fuzz", "--bug", EASY, "--seed", 3, "--executions", 400, "--workers", 1)
    first = min(document["findings"], key=lambda finding: finding["executions_to_find"])
    assert (found.executions, found.kind) == (first["executions_to_find"], first["kind"])


def test_a_kind_that_the_bug_does_not_show_ends_no_run() -> None:
    (wanted,) = hunts([bug(EASY)], (PORTFOLIO,), [3], 400)
    ended = hunt(replace(wanted, kinds=("deadlock",)))
    assert (ended.kind, ended.executions) == (None, 400)
    assert set(ended.others) >= {"freed-while-referenced"}


def test_results_are_not_measured_twice(tmp_path: Path) -> None:
    first = run_json(*bench(tmp_path, "--bug", EASY, "--executions", 1_600, "--seeds", 2))
    lines = (tmp_path / "results").read_text().splitlines(keepends=True)
    assert len(lines) == 2
    # As if it had been killed while it wrote the second one, and the first had had another outcome.
    changed = json.loads(lines[0])
    changed["result"]["executions"] = 7
    (tmp_path / "results").write_text(json.dumps(changed) + "\n" + lines[1][:40])
    second = run_json(*bench(tmp_path, "--bug", EASY, "--executions", 1_600, "--seeds", 2))
    assert first["bugs"][0]["found"] == second["bugs"][0]["found"] == 2
    assert second["bugs"][0]["max_executions"] == max(7, json.loads(lines[1])["result"]["executions"])


def test_json_says_how_soon_and_what_as_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "curves.svg"
    document = run_json(
        "bench", "bugs", "--bug", EASY, "--seeds", 2, "--executions", 800, "--clean", 40, "--strategy", "random",
        "--strategy", "pct-2", "--results", tmp_path / "results", "--plot", picture,
    )  # fmt: skip
    assert [(row["bug"], row["strategy"], row["seeds"]) for row in document["bugs"]] == [
        (EASY, "random", 2),
        (EASY, "pct-2", 2),
    ]
    for row in document["bugs"]:
        assert row["kind"] in row["expected_kinds"] == list(bug(EASY).kinds)
        assert 1 <= row["min_executions"] <= row["median_executions"] <= row["max_executions"] <= 800
    assert document["clean"] == {"executions": 40, "findings": 0, "kinds": []}
    assert picture.read_text().count("<svg") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--bug", "nosuch"), "unknown bug 'nosuch'"),
        (("--strategy", "nosuch"), "unknown strategy 'nosuch'; there are portfolio, "),
        (("--plot", "curves.txt"), "the name ends with .pdf, .png, .svg"),
        (("--plot", "missing/curves.svg"), "missing/curves.svg: no such directory"),
        (("--results", "missing/results"), "missing/results: No such file or directory"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    assert_one_line(run(*bench(tmp_path, *more)), message)


def test_a_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("no results\n")
    assert_one_line(run(*bench(tmp_path)), "results:1: no result of a measurement")


def test_a_result_that_is_no_run_is_refused(tmp_path: Path) -> None:
    small = ("--bug", EASY, "--executions", 20, "--seeds", 1)
    run_json(*bench(tmp_path, *small))
    line = json.loads((tmp_path / "results").read_text())
    for result in (None, 7, [], {**line["result"], "executions": "many"}, {**line["result"], "others": [1]}):
        (tmp_path / "results").write_text(json.dumps({**line, "result": result}) + "\n")
        assert_one_line(run(*bench(tmp_path, *small)), f"{EASY}/{PORTFOLIO}/0/20: no run")
