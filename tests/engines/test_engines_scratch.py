"""Temporary directories that are removed by whoever is left to do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from daxfuzz.engines.fuzz import workers
from daxfuzz.engines.scratch import remove_abandoned, scratch

HOLDS_ONE = """
import sys
from daxfuzz.engines.scratch import scratch
with scratch() as directory:
    (directory / "file").touch()
    print(directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories go."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_it_goes_with_its_block(place: Path) -> None:
    with scratch() as directory:
        assert directory.parent == place
        (directory / "file").touch()
    assert list(place.iterdir()) == []


def test_that_of_a_process_that_was_killed_goes_with_the_next_and_no_other_does(place: Path) -> None:
    mine = place / "daxfuzz-mine"
    mine.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDS_ONE], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        remove_abandoned(place)
        with scratch() as other:
            assert (theirs / "file").exists()
            assert other != theirs
        process.kill()
    assert theirs.exists()
    with scratch():
        assert not theirs.exists()
    assert list(place.iterdir()) == [mine]


def test_a_worker_that_is_ended_removes_it(place: Path) -> None:
    with pytest.raises(BrokenProcessPool), workers(1) as pool:
        pool.submit(end_within).result(timeout=60)
    assert list(place.iterdir()) == []


def end_within() -> None:
    with scratch() as directory:
        (directory / "file").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
