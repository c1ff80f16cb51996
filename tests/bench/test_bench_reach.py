"""How much of the model generated programs reach."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench import reach
from daxfuzz.bench.reach import Cell, Kernel, cells, kernels, model_lines, subsystem_functions, union
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
    assert len(document["missed"]) == missed
    text = run(*call, "--workers", "1").stdout
    assert f"{cell['points_reached']} of {cell['points']} points" in text
    assert text.count("not reached: ") == missed


def test_unknown_names_are_told() -> None:
    assert_one_line(run("bench", "reach", "--protocol", "refcount-2"))
    assert_one_line(run("bench", "reach", "--filesystem", "ext3"))
