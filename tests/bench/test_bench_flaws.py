"""The reachability experiment: what it runs, what it finds, and that it finds nothing where nothing is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench import flaws
from daxfuzz.bench.discoveries import discoveries
from daxfuzz.bench.flaws import NotAvailable, Outcome, Target, reachability, search_cell, shares, targets_of
from daxfuzz.bench.reachability import CODES, FILESYSTEMS, GENERATIONS, NEVER, TABLE, Cell, Condition, Generation, cells
from daxfuzz.cli.bench.flaws import flaw_entry, in_short
from daxfuzz.engines.jobs import ModelError
from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import protocol

BUDGET = 1_200
"""Many times what F-01 takes on pin-wait."""

KEYS = {"flaw", "protocol", "expected", "condition", "found", "executions", "case", "tasks", "preemptions"}


@pytest.fixture
def pool() -> Iterator[Executor]:
    """Jobs run in this process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def cell(flaw: str, column: str) -> Cell:
    return next(each for each in cells() if each.row == flaw and each.generation.column == column)


def canary() -> Cell:
    """A cell that is found soon, on one file system."""
    return replace(cell("F-01", "G1b"), condition=Condition(("ext4",)))


def outcome(pool: Executor, of: Cell, executions: int = BUDGET) -> Outcome:
    (result,) = reachability(pool, [of], executions, 0, lambda target, status: None)
    return result


# -- the table ---------------------------------------------------------------------------------------------------


def test_every_row_has_a_code_for_every_generation() -> None:
    assert len({row[0].row for row in TABLE}) == len(TABLE) == 28
    for row in TABLE:
        assert [each.generation for each in row] == list(GENERATIONS)
        assert {each.expected for each in row} <= set(CODES)


def test_generations_have_names_of_their_own() -> None:
    assert len({each.name for each in GENERATIONS}) == len(GENERATIONS)


def test_reflink_runs_on_xfs_and_fuse_on_fuse() -> None:
    for each in cells():
        if "reflink" in each.condition.needs:
            assert each.condition.filesystems == ("xfs",)
    assert cell("F-06", "G3a").condition.filesystems == ("fuse",)
    assert cell("F-06", "G0").condition.filesystems == ()


def test_discoveries_are_rows_of_their_own() -> None:
    rows = {row[0].row: row for row in discoveries()}
    assert not set(rows) & {row[0].row for row in TABLE}
    assert [each.expected for each in rows["N-43"]] == ["-"] * 5 + ["?"] * 2
    assert rows["N-25"][0].condition.filesystems == ("xfs",)
    assert rows["N-01"][0].condition.filesystems == ("fuse",)
    assert rows["N-24"][0].title == "a write goes to the block that the file had before ILOCK was dropped"
    for row in rows.values():
        for each in row:
            if each.expected != NEVER:
                assert targets_of(each, BUDGET)


def test_discoveries_are_run_only_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["daxfuzz.cli.bench.flaws"]
    asked: list[set[str]] = []

    def ask(pool: Executor, wanted: Iterable[Cell], *_: object) -> list[Outcome]:
        asked.append({each.row for each in wanted})
        return []

    monkeypatch.setattr(module, "reachability", ask)
    for options in ([], ["--discoveries"], ["--flaw", "N-24", "--flaw", "F-01"]):
        assert run("bench", "flaws", "--workers", 1, *options).exit_code == 0
    table, new, named = asked
    assert table == {row[0].row for row in TABLE}
    assert new == {row[0].row for row in discoveries()}
    assert named == {"N-24", "F-01"}


# -- what is run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flaw", "column"), [("F-07", "G0"), ("F-08", "G1a"), ("F-01", "G1b"), ("F-10", "G1b")])
def test_the_kernel_is_the_fixed_one_without_the_repairs_of_the_flaw(flaw: str, column: str) -> None:
    wanted = cell(flaw, column)
    repairs = {each.slug(): each.flaw for each in protocol(wanted.generation.protocol).repairs}
    own = {name for name, number in repairs.items() if number == flaw}
    for target in targets_of(wanted, BUDGET):
        applied = set(target.kernel.applied())
        assert applied & set(repairs) == set(repairs) - own
        # Attribution tries what is left.
        assert set(target.kernel.repairs()) == set(target.repairs) == own


def test_a_repair_that_supersedes_that_of_the_flaw_is_left_out_too() -> None:
    for target in targets_of(cell("F-02", "G1b"), BUDGET):
        assert target.repairs == ("fix-wake-on-threshold",)
        assert set(target.kernel.repairs()) == {"fix-wake-on-threshold", "fix-idle-on-refcount"}


def test_a_cell_becomes_active_with_its_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = cell("F-15", "G0")
    monkeypatch.setattr(flaws, "repairs_of", lambda generation: ())
    with pytest.raises(NotAvailable, match="no repair of F-15"):
        targets_of(waiting, BUDGET)

    class FixStranger(Repair):
        """Only a name."""

        flaw = "F-15"

        class dax(Dax):
            pass

    monkeypatch.setattr(flaws, "repairs_of", lambda generation: (FixStranger,))
    assert targets_of(waiting, BUDGET)[0].repairs == ("fix-stranger",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expected": NEVER}, "silent runs"),
        ({"generation": Generation("G9", "refcount-9")}, "unknown protocol 'refcount-9'"),
        ({"generation": Generation("G9", "refcount-1", ("revert-nothing",))}, "unknown patch 'revert-nothing'"),
        ({"flaw": "F-99", "row": "F-99"}, "no repair of F-99"),
        ({"condition": replace(cell("F-09", "G0").condition, filesystems=("tmpfs",))}, "no file system tmpfs"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_run(pool: Executor, change: dict[str, object], reason: str) -> None:
    result = outcome(pool, replace(cell("F-07", "G0"), **change))
    assert (result.found, result.executions, result.failed) == (None, 0, False)
    assert reason in result.reason


def test_a_variant_of_a_flaw_prefers_its_own_repair() -> None:
    assert cell("F-08", "G3a").known_as() == ("F-08b", "F-08")
    variant = replace(cell("F-08", "G0"), flaw="F-08b")
    assert targets_of(variant, BUDGET)[0].repairs == ("fix-skip-locked",)


def test_the_first_file_system_gets_half_of_the_budget() -> None:
    assert shares(200_000, 1) == [200_000]
    assert shares(200_000, 4) == [100_040, 33_320, 33_320, 33_320]
    assert sum(shares(200_000, len(FILESYSTEMS))) == 200_000
    assert min(shares(1, 4)) > 0


# -- what is found -----------------------------------------------------------------------------------------------


def test_a_flaw_is_found_and_the_search_stops(pool: Executor) -> None:
    result = outcome(pool, canary())
    assert result.found
    assert 0 < result.executions <= BUDGET
    assert result.case is not None
    assert result.case.repaired_by == ("fix-idle-on-refcount",)
    assert result.tasks == len(result.case.program.tasks)
    assert result.filesystem == "ext4"


def test_a_flaw_that_is_repaired_is_not_found(pool: Executor) -> None:
    wanted = canary()
    repaired = [replace(target, kernel=target.kernel.plus(target.repairs)) for target in targets_of(wanted, BUDGET)]
    result = search_cell(pool, wanted, repaired, 0, lambda target, status: None)
    assert result.found is False
    assert result.executions == BUDGET
    assert (result.case, result.others) == (None, ())


def test_a_finding_of_another_flaw_does_not_count(pool: Executor) -> None:
    (target,) = targets_of(canary(), BUDGET)
    result = search_cell(pool, target.cell, [replace(target, repairs=("fix-skip-locked",))], 0, lambda *_: None)
    assert result.found is False
    assert [name.rsplit("/", 1)[1] for name in result.others] == ["fix-idle-on-refcount"] * len(result.others) != []


def test_executions_on_all_file_systems_count(pool: Executor) -> None:
    (target,) = targets_of(canary(), BUDGET)
    alone = search_cell(pool, target.cell, [target], 0, lambda *_: None)
    clean = replace(target, kernel=target.kernel.plus(target.repairs), executions=60)
    both = search_cell(pool, target.cell, [clean, target], 0, lambda *_: None)
    assert both.executions == 60 + alone.executions
    assert both.case == alone.case


def test_a_failure_of_the_model_is_said_and_the_rest_goes_on(pool: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(pool: Executor, fuzzer: object, target: Target) -> None:
        raise ModelError("execution 7: ValueError: nonsense")

    monkeypatch.setattr(flaws, "search", broken)
    wanted = [cell("F-07", "G0"), cell("F-08", "G0")]
    results = list(reachability(pool, wanted, BUDGET, 0, lambda target, status: None))
    assert [(each.found, each.failed) for each in results] == [(None, True)] * 2
    assert "execution 7" in results[0].reason
    assert in_short(results[0]) == "err"


# -- the command -------------------------------------------------------------------------------------------------


def test_the_command_writes_cases_that_reproduce(tmp_path: Path) -> None:
    arguments = ["--flaw", "F-01", "--protocol", "G1b", "--executions", 2 * BUDGET, "--workers", 1, "--cases", tmp_path]
    result = run("bench", "flaws", *arguments, "--json")
    assert result.exit_code == 0
    (entry,) = json.loads(result.stdout)["flaws"]
    assert entry.keys() >= KEYS
    assert (entry["flaw"], entry["protocol"], entry["expected"]) == ("F-01", "pin-wait", "x")
    assert entry["found"] is True
    assert "F-01 on pin-wait: found" in result.stderr
    assert [str(path) for path in tmp_path.iterdir()] == [entry["case"]]
    assert run("repro", entry["case"]).exit_code == 1


def test_the_table_names_rows_and_columns() -> None:
    options = ["--flaw", "F-03", "--flaw", "F-07", "--protocol", "G0", "--protocol", "pin-wait"]
    result = run("bench", "flaws", *options, "--executions", 20, "--workers", 1)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["flaw", "G0", "G1b"]
    rows = {line.split()[0]: line for line in lines if line.startswith("F-")}
    assert list(rows) == ["F-03", "F-07"]
    assert rows["F-07"].split()[2] == "x"


@pytest.mark.parametrize(
    ("found", "text"), [(True, "@7"), (False, "no"), (None, "n/a")], ids=["found", "not found", "not run"]
)
def test_a_cell_in_short(found: bool | None, text: str) -> None:
    assert in_short(Outcome(canary(), found, 7)) == text


def test_a_search_that_failed_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Outcome(canary(), None, reason="ext4: ModelError: nonsense", failed=True)
    monkeypatch.setattr(sys.modules["daxfuzz.cli.bench.flaws"], "reachability", lambda *arguments: [failed])
    result = run("bench", "flaws", "--workers", 1)
    assert result.exit_code == 70
    assert "x err" in result.stdout


def test_cells_that_cannot_be_run_are_neither_found_nor_not_found() -> None:
    document = run_json("bench", "flaws", "--flaw", "F-03", "--workers", 1)
    assert [(each["protocol"], each["found"], each["executions"]) for each in document["flaws"]] == [
        (each.name, None, 0) for each in GENERATIONS
    ]


def test_conditions_are_words() -> None:
    assert flaw_entry(Outcome(cell("F-23", "G2v1"), None), None)["condition"] == "device-dax, unbind"
    assert flaw_entry(Outcome(cell("F-10", "G0"), None), None)["condition"] == "ext4 or xfs"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--flaw", "F-99"], "unknown flaw 'F-99'"),
        (["--flaw", "F-007"], "F-07"),
        (["--protocol", "refcount-2"], "refcount-1"),
        (["--protocol", "G7"], "'G7'"),
        (["--executions", "0"], "x>=1"),
        (["--workers", "-1"], "--workers"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options(args: list[str], part: str) -> None:
    assert_one_line(run("bench", "flaws", *args), part)
