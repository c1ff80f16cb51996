"""fuzz --against: documents, files, exit codes, usage, and how it ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from cli_kit import assert_one_line, run, start, written
from test_cli_fuzz import FINDING_KEYS, finish

from daxfuzz.program.dax_file import load_case

PATCHES = '''\
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.protocols.patch import Patch


class PutTwice(Patch):
    """mm: Drop every FOLL_GET reference twice."""

    class memremap(Memremap):
        async def put_page(self, page):
            await super().put_page(page)
            await super().put_page(page)


class Nothing(Patch):
    """mm: Change nothing."""

    class memremap(Memremap):
        async def put_page(self, page):
            await super().put_page(page)
'''

GROUPS = ("new", "gone", "both", "unverified")


def compare(directory: Path, *args: str | int) -> tuple[int, str, str]:
    """A comparison of 800 executions: exit code, stdout, stderr."""
    written(directory, PATCHES, "mine.py")
    process = start("fuzz", "--executions", 800, "--seed", 3, "--workers", 1, *args, cwd=directory)
    stdout, stderr = finish(process)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of a patch that breaks something: directory and document."""
    directory = tmp_path_factory.mktemp("bad")
    code, stdout, stderr = compare(directory, "--patch", "mine.py:PutTwice", "--against", "--json")
    assert code == 1, stderr
    assert "new: refcount-" in stderr
    return directory, json.loads(stdout)


def test_document(bad: tuple[Path, Any]) -> None:
    directory, document = bad
    assert document["new"]
    assert all(document[group] == [] for group in GROUPS[1:])
    assert document["against"] == {"protocol": "pin-wait-fixed", "patches": []}
    assert document["patches"] == ["mine.py:PutTwice"]
    assert document["executions"] == 800
    assert document["executions_without"] == document["executions_patched"] == 400
    assert document["bound_95"] is None
    for finding in document["new"]:
        assert set(finding) == FINDING_KEYS
        path = directory / finding["case"]
        assert path.parent == directory / "findings" / "new"
        assert load_case(path).finding == finding["kind"]
    assert sorted(directory.rglob("*.dax")) == sorted(directory / finding["case"] for finding in document["new"])


def test_what_is_new_replays_with_the_patch_only(bad: tuple[Path, Any]) -> None:
    directory, document = bad
    case = directory / document["new"][0]["case"]
    assert run("repro", case, "--patch", directory / "mine.py").exit_code == 1
    assert run("repro", case).exit_code == 2


def test_nothing_new(tmp_path: Path) -> None:
    code, stdout, stderr = compare(tmp_path, "--patch", "mine.py:Nothing", "--against", "pin-wait-fixed")
    assert code == 0, stderr
    assert "pin-wait-fixed without and with mine.py:Nothing: 0 new, 0 gone, 0 in both." in stdout
    assert "Nothing new in 400 executions with the patches" in stdout
    assert "0.0075 per execution" in stdout
    assert list(tmp_path.rglob("*.dax")) == []


def test_a_known_flaw_is_in_both_and_nothing_to_fail_for(tmp_path: Path) -> None:
    code, stdout, stderr = compare(tmp_path, "--patch", "mine.py:Nothing", "--against", "pin-wait", "--executions", 300)
    assert code == 0, stderr
    assert "In both:" in stdout
    assert "New, " not in stdout
    cases = list(tmp_path.rglob("*.dax"))
    assert cases
    assert all(path.parent == tmp_path / "findings" / "both" for path in cases)
    # They were found on the kernel without the patch, and need no --patch.
    assert [line for line in stdout.splitlines() if " repro " in line and "--patch" not in line]


def test_a_prefix_of_a_series_is_compared_with_its_repairs(tmp_path: Path) -> None:
    args = ["--protocol", "series-v1:1", "--patch", "mine.py:Nothing", "--against", "--json", "--executions", 40]
    code, stdout, stderr = compare(tmp_path, *args)
    assert code == 0, stderr
    document = json.loads(stdout)
    assert document["against"]["protocol"] == "series-v1:1"
    assert "fix-mapping-mapped" in document["against"]["patches"]
    assert document["patches"] == ["mine.py:Nothing"]


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--against"], "--patch"),
        (["--against", "nope", "--patch", "fix-skip-locked"], "'nope'"),
        (["--against", "pin-wait", "--protocol", "refcount-1", "--patch", "fix-skip-locked"], "--protocol"),
        (["--against", "--protocol", "nope", "--patch", "fix-skip-locked"], "'nope'"),
        (["--against", "--patch", "fix-skip-locked"], "twice"),
        (["--against", "--patch", "nowhere.py"], "nowhere.py: no such file"),
    ],
)
def test_usage(args: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(run("fuzz", *args), part)
    assert not (tmp_path / "findings").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(tmp_path: Path, number: signal.Signals, code: int) -> None:
    written(tmp_path, PATCHES, "mine.py")
    args = ["--patch", "mine.py:PutTwice", "--against", "--seed", 3, "--workers", 1, "--time", "10m", "--json"]
    process = start("fuzz", *args, cwd=tmp_path)
    try:
        assert process.stderr is not None
        # The first group that a finding gets into; it may be in another one when the signal arrives.
        assert any(": refcount-" in line for line in process.stderr)
        os.kill(process.pid, number)
        stdout, stderr = finish(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    document = json.loads(stdout)
    found = [finding for group in GROUPS for finding in document[group]]
    assert found
    assert sorted(tmp_path.rglob("*.dax")) == sorted(tmp_path / finding["case"] for finding in found)
    for finding in found:
        assert load_case(tmp_path / finding["case"]).finding == finding["kind"]
