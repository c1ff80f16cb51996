"""`daxfuzz fuzz --engine atheris` from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cli_kit import assert_one_line, run, start

from daxfuzz.bench.bugs import ATHERIS, Hunt, hunt
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice

CANARY = ("--engine", "atheris", "--bug", "truncate-ignores-dma-pins", "--workers", "1", "--seed", "4")


def test_without_atheris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert_one_line(run("fuzz", "--engine", "atheris"), "Linux x86_64 only", "aarch64")


HUNT = ("bench", "bugs", "--bug", "fault-maps-stale-hole-vs-write", "--strategy", "atheris", "--clean", "0")
"""One that goes on for minutes."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_workers_and_keep_what_was_found(
    tmp_path: Path, scratch: Path, number: signal.Signals, code: int
) -> None:
    pytest.importorskip("atheris")
    process = start("fuzz", *CANARY, "--time", "300", "--json", cwd=tmp_path)
    assert process.stderr is not None
    assert any(re.search(r"[1-9]\d* execution", line) for line in process.stderr)
    workers = children_of(process.pid)
    assert list(scratch.iterdir())
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code
    document = json.loads(printed)
    assert document["executions"] > 0
    for finding in document["findings"]:
        assert load_case(tmp_path / finding["case"]).finding == finding["kind"]
    assert workers
    assert still_there(workers) == []
    assert list(scratch.iterdir()) == []


def test_sigterm_ends_hunts(tmp_path: Path, scratch: Path) -> None:
    pytest.importorskip("atheris")
    process = start(*HUNT, "--workers", "1", cwd=tmp_path)
    hunters = wait_for(lambda: hunters_in(scratch))
    process.terminate()
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert "Found in 0 of 0 runs." in printed
    assert still_there(hunters) == []
    assert list(scratch.iterdir()) == []


def test_a_killed_hunt_takes_its_workers_with_it(tmp_path: Path, scratch: Path) -> None:
    pytest.importorskip("atheris")
    process = start(*HUNT, "--workers", "1", cwd=tmp_path)
    hunters = wait_for(lambda: hunters_in(scratch))
    process.kill()
    process.communicate(timeout=60)
    assert still_there(hunters) == []
    assert wait_for(lambda: not list(scratch.iterdir()))


def test_what_nobody_was_left_to_remove_goes_with_the_next_hunt(tmp_path: Path, scratch: Path) -> None:
    pytest.importorskip("atheris")
    process = start(*HUNT, "--workers", "1", cwd=tmp_path)
    hunters = wait_for(lambda: hunters_in(scratch))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert still_there(hunters) == []
    assert len(list(scratch.iterdir())) == 1
    hunt(Hunt("", KernelChoice(KernelSpec("pin-wait-fixed")), (), ATHERIS, 0, 20))
    assert list(scratch.iterdir()) == []


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories go."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr("tempfile.tempdir", None)
    return directory


def hunters_in(directory: Path) -> list[int]:
    """Processes at work in a directory below this one."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"{directory}/daxfuzz-scratch-".encode() in read(path)
    ]


def read(path: Path) -> bytes:
    """What a file holds; nothing if it is gone, as those of a process may be."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


T = TypeVar("T")


def wait_for(what: Callable[[], T]) -> T:
    """Wait until there is something."""
    deadline = time.monotonic() + 30
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    return found


def still_there(pids: list[int]) -> list[int]:
    """Which processes do not end."""
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [pid for pid in pids if alive(pid)]


def children_of(pid: int) -> list[int]:
    """Processes that a process has started, and are there."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
