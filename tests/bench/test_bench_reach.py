"""How much of the model generated programs reach."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench import reach
from daxfuzz.bench.reach import Cell, Kernel, cells, kernels, model_assertions, model_lines, subsystem_functions, union
from daxfuzz.protocols.compose import functions_of
from daxfuzz.protocols.registry import PATCHES, PROTOCOLS

PLAIN = Kernel("refcount-1")
FIXED = Kernel("refcount-1-fixed")


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Jobs run in this process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="module")
def ran(pool) -> list[Cell]:
    return list(cells(pool, [PLAIN, FIXED], ["ext4"], 200, 1, lambda what, executions: None))


def test_each_function_of_each_patch_is_in_some_kernel() -> None:
    known = subsystem_functions()
    for patch in PATCHES.values():
        for hunk in patch.hunks().values():
            for function in functions_of(hunk).values():
                assert (function.__code__.co_filename, function.__code__.co_qualname) in known


def test_each_repair_is_in_a_kernel_without_those_that_supersede_it() -> None:
    for known in PROTOCOLS.values():
        for narrow in {each for wide in known.repairs for each in wide.supersedes} & set(known.repairs):
            assert any(
                narrow in patches and not any(narrow in getattr(each, "supersedes", ()) for each in patches)
                for patches in (kernel.on("ext4").composed().patches for kernel in kernels())
            ), narrow


def test_every_protocol_is_run() -> None:
    names = [kernel.name for kernel in kernels()]
    assert len(set(names)) == len(names)
    assert set(PROTOCOLS) <= set(names)


def test_a_cell_reaches_some_of_what_its_kernel_has(ran) -> None:
    for cell in ran:
        assert cell.reached.executions == 200
        assert len(cell.points) / 2 < len(cell.reached.points) < len(cell.points)
        assert len(cell.lines) / 2 < len(cell.reached.lines) < len(cell.lines)
        assert cell.lines < set(model_lines())
        assert cell.reached.findings >= len(cell.reached.kinds)
        assert cell.reached.failed <= cell.assertions
        assert not (cell.lines | cell.reached.lines) & model_assertions()


def test_assertions_are_the_statements_that_warn_and_nothing_else() -> None:
    texts = [Path(file).read_text(encoding="utf-8").splitlines()[line - 1].strip() for file, line in model_assertions()]
    assert len(texts) > 40
    # unlock_entry_bug does nothing else.
    assert all(text.startswith(("self.k.warn(", "self.k.bug(", "self.unlock_entry_bug(")) for text in texts)
    assert any(text.startswith("self.unlock_entry_bug(") for text in texts)


def test_an_assertion_that_fails_counts_as_failed_and_not_as_a_line(pool, ran, monkeypatch) -> None:
    one = min(ran[0].assertions)
    monkeypatch.setattr(reach, "run_chunk", lambda *job: reach.Reached(lines=frozenset({one, *ran[0].reached.lines})))
    (cell,) = cells(pool, [PLAIN], ["ext4"], 20, 1, lambda what, executions: None)
    assert cell.reached.failed == {one}
    assert cell.reached.lines == ran[0].reached.lines
    together = union([cell])
    assert together.assertions_failed == 1
    silent = [missed for missed in together.missed if missed.what == "assertion"]
    assert len(silent) == together.assertions - 1 == len(ran[0].assertions) - 1


def test_each_kernel_has_programs_of_its_own(pool, monkeypatch) -> None:
    starts = []

    def run_chunk(choice, seed, start, count):
        starts.append((choice.spec.protocol, start, count))
        return reach.Reached(executions=count)

    monkeypatch.setattr(reach, "run_chunk", run_chunk)
    monkeypatch.setattr(reach, "CHUNK", 40)
    list(cells(pool, [FIXED, PLAIN], ["ext4"], 70, 1, lambda what, executions: None))
    # Whole programs; the first row begins at 0, whatever is chosen.
    assert starts == [
        ("refcount-1-fixed", 80, 40),
        ("refcount-1-fixed", 120, 40),
        ("refcount-1", 0, 40),
        ("refcount-1", 40, 40),
    ]


def test_lines_of_another_file_system_do_not_count(ran) -> None:
    names = {model_lines()[line] for line in ran[0].lines}
    assert "Ext4.ext4_map_blocks" in names
    assert not any(name.startswith(("Xfs.", "Fuse.", "DeviceDax.")) for name in names)


def test_the_union_is_more_than_each_part_and_what_is_missing_has_a_place(ran) -> None:
    together = union(ran)
    assert together.points_reached > max(len(cell.reached.points) for cell in ran)
    assert together.lines_reached > max(len(cell.reached.lines) for cell in ran)
    points = [missed for missed in together.missed if missed.what == "point"]
    lines = [missed for missed in together.missed if missed.what == "line"]
    assert len(points) == together.points - together.points_reached > 0
    assert len(lines) == together.lines - together.lines_reached > 0
    assert {(missed.file, missed.line) for missed in lines} <= {
        (reach.relative(file), line) for file, line in model_lines()
    }
    for missed in points:
        assert missed.function in model_lines().values()


def test_the_size_of_chunks_changes_nothing(pool, ran, monkeypatch) -> None:
    monkeypatch.setattr(reach, "CHUNK", 40)
    (again,) = cells(pool, [PLAIN], ["ext4"], 200, 1, lambda what, executions: None)
    assert again == ran[0]


def test_on_the_command_line() -> None:
    call = ("bench", "reach", "--protocol", "refcount-1", "--filesystem", "device-dax", "--executions", "40")
    document = run_json(*call, "--workers", "1")
    (cell,) = document["cells"]
    assert (cell["kernel"], cell["filesystem"], cell["executions"]) == ("refcount-1", "device-dax", 40)
    assert document["points_percent"] == pytest.approx(100 * document["points_reached"] / document["points"], abs=0.01)
    missed = document["points"] - document["points_reached"] + document["lines"] - document["lines_reached"]
    assert sum(each["what"] != "assertion" for each in document["missed"]) == missed
    silent = document["assertions"] - document["assertions_failed"]
    assert sum(each["what"] == "assertion" for each in document["missed"]) == silent
    text = run(*call, "--workers", "1").stdout
    assert f"{cell['points_reached']} of {cell['points']} points" in text
    assert text.count("not reached: ") == missed
    assert text.count("never failed: ") == silent


def test_unknown_names_are_told() -> None:
    assert_one_line(run("bench", "reach", "--protocol", "refcount-2"))
    assert_one_line(run("bench", "reach", "--filesystem", "ext3"))
