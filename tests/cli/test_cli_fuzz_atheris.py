"""`daxfuzz fuzz --engine atheris` from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, start

from daxfuzz.program.dax_file import load_case

CANARY = ("--engine", "atheris", "--bug", "truncate-ignores-dma-pins", "--workers", "1", "--seed", "4")


def test_without_atheris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert_one_line(run("fuzz", "--engine", "atheris"), "Linux x86_64 only", "aarch64")


def test_ctrl_c_ends_the_workers_and_keeps_what_was_found(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    process = start("fuzz", *CANARY, "--time", "300", "--json", cwd=tmp_path)
    assert process.stderr is not None
    assert any(re.search(r"[1-9]\d* execution", line) for line in process.stderr)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(printed)
    assert document["executions"] > 0
    for finding in document["findings"]:
        assert load_case(tmp_path / finding["case"]).finding == finding["kind"]
    assert workers
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if alive(pid)]


def children_of(pid: int) -> list[int]:
    """Processes that a process has started, and are there."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
