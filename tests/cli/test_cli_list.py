"""list, bench, help and version."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from cli_kit import run, run_json
from click import Command, Context, Group

from daxfuzz import __version__
from daxfuzz.cli import main
from daxfuzz.search import STRATEGIES

LISTS = ("protocols", "patches", "filesystems", "operations", "functions", "strategies", "oracles")


@pytest.mark.parametrize("what", LISTS)
def test_list(what: str) -> None:
    entries = run_json("list", what)
    lines = run("list", what).stdout.partition("\n\n")[0].splitlines()
    assert len(entries) == len(lines) > 0
    for entry, line in zip(entries, lines, strict=True):
        assert line.startswith(entry["name"])
        assert entry["summary"]


def test_bugs_name_their_fix_and_where_they_can_be() -> None:
    entries = run_json("list", "bugs")
    lines = run("list", "bugs").stdout.splitlines()
    assert len(entries) == len(lines) > 0
    for entry, line in zip(entries, lines, strict=True):
        shown = [entry[key] for key in ("slug", "title", "fix", "release", "class")]
        assert re.split(r"\s{2,}", line) == [*shown, " ".join(entry["protocols"])]
        assert entry["kinds"]


def test_functions_name_their_file() -> None:
    files = {entry["name"]: entry["file"] for entry in run_json("list", "functions")}
    assert files["put_page"] == "mm/memremap.c"
    assert files["dax_layout_busy_page"] == "fs/dax.c"


def test_functions_name_version_deviations_and_the_patch_that_adds_them() -> None:
    entries = {(entry["subsystem"], entry["name"]): entry for entry in run_json("list", "functions")}
    assert entries["dax", "page_busy"]["version"] == "v6.0"
    assert entries["dax", "page_busy"]["patch"] == ""
    assert entries["gup", "wakeup_fsdax_pin_waiters"]["patch"] == "use-page-maybe-dma-pinned"
    (deviation,) = entries["ext4", "ext4_remove_space"]["deviations"]
    table, _, notes = run("list", "functions").stdout.partition("\n\nKnown deviations:\n")
    (number,) = [line.partition("]")[0] + "]" for line in notes.splitlines() if line.endswith(deviation)]
    (line,) = [line for line in table.splitlines() if line.startswith("ext4_remove_space ")]
    assert f" {number} " in line
    assert "v6.0" in line


def test_bench_speed() -> None:
    document = run_json("bench", "speed", "--rounds", "3")
    assert set(document) == {
        "floor_us_per_step",
        "stepper_us_per_step",
        "random_us_per_step",
        "model_us_per_step",
        "trio_us_per_step",
        "steps_per_execution",
        "executions_per_second",
        "strategies",
    }
    strategies = document.pop("strategies")
    assert all(value > 0 for value in document.values())
    assert list(strategies) == list(STRATEGIES)
    assert strategies["random"]["ratio_to_random_walk"] == 1
    assert all(each["us_per_step"] > 0 and each["ratio_to_random_walk"] > 0 for each in strategies.values())
    shown = run("bench", "speed", "--rounds", "3").stdout
    assert "x floor" in shown
    assert shown.count("x random walk") == len(STRATEGIES)


def commands(command: Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of a command and all below it."""
    found = [path]
    if isinstance(command, Group):
        for name in command.list_commands(Context(command)):
            found += commands(command.commands[name], (*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_an_example(path: tuple[str, ...], option: str) -> None:
    result = run(*path, option)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: daxfuzz")
    assert "Example" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_version() -> None:
    assert __version__ in run("--version").stdout


def test_module_and_broken_pipe() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "daxfuzz", "list", "functions"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
