"""A disk that fills up under a campaign: a small tmpfs, which root can mount."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from campaign_kit import SMALL, whole_state
from cli_kit import start

pytestmark = pytest.mark.external

SIZE = 3 * 1024 * 1024


def as_root(*command: str) -> None:
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo", "-n"]), *command], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "disk"
    where.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size={SIZE},uid={os.geteuid()}", "tmpfs", str(where))
    try:
        yield where
    finally:
        as_root("umount", "-l", str(where))


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_it_waits_says_so_and_goes_on(disk: Path, tmp_path: Path) -> None:
    place = disk / "c"
    filler = disk / "filler"
    said = tmp_path / "stderr"
    # Some of it is left: the campaign begins to write before there is no more.
    filler.write_bytes(b"x" * (SIZE - 400 * 1024))
    process = start("campaign", place, *SMALL, "--workers", "1", "--time", "300", cwd=tmp_path)
    assert process.stderr is not None
    with said.open("w") as file:
        copier = subprocess.Popen(["cat"], stdin=process.stderr, stdout=file)
    try:
        wait_until(lambda: "the disk is full" in said.read_text(), said.read_text())
        time.sleep(2.0)
        before = whole_state(place)
        assert before[2], "inputs were written before"
        assert shutil.disk_usage(disk).free < 64 * 1024
        assert process.poll() is None
        filler.unlink()
        wait_until(lambda: "there is space on the disk again" in said.read_text(), said.read_text())
        wait_until(lambda: whole_state(place)[3] > before[3], "it goes on")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        copier.wait(timeout=60)
    after = whole_state(place)
    assert before[0] <= after[0]
    assert before[2] <= after[2]
    lines = said.read_text()
    assert lines.count("the disk is full") == 1
    assert re.search(r"WARNING: the disk is full \(.*\): waiting for space", lines)
    assert "Traceback" not in lines


def test_it_gives_up_when_the_time_is(disk: Path, tmp_path: Path) -> None:
    place = disk / "c"
    (disk / "filler").write_bytes(b"x" * (SIZE - 64 * 1024))
    process = start("campaign", place, *SMALL, "--workers", "1", "--time", "20", cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "what was written before is intact, start again when there is space" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert whole_state(place)[3] >= 0
