from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

CORPUS = Path(__file__).parents[2] / "corpus" / "conform"


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """Two sequences with their goldens."""
    (tmp_path / "goldens").mkdir()
    for name in ("pin-pipe-truncate.dax", "two-waiters.dax"):
        shutil.copy(CORPUS / name, tmp_path)
    for path in (CORPUS / "goldens").glob("linux-*.json"):
        shutil.copy(path, tmp_path / "goldens")
    return tmp_path


@pytest.fixture
def no_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_model_is_compared_with_recorded_kernels_without_a_boot(some: Path, no_kernels: None) -> None:
    result = run("conform", "--corpus", some)
    assert result.exit_code == 0
    assert "linux-6.1: 4 of 4 outcomes agree, 0 differ for a known reason" in result.stdout
    document = run_json("conform", "--corpus", some)
    assert document["agrees"] is True
    assert document["compared"] % 4 == 0


def test_a_kernel_that_did_something_else_is_shown_with_both_sides(some: Path) -> None:
    path = some / "goldens" / "linux-6.1.json"
    golden = json.loads(path.read_text())
    steps = next(iter(golden["sequences"]["two-waiters"].values()))
    steps[2]["worker"] = "EIO"
    path.write_text(json.dumps(golden))
    result = run("conform", "--corpus", some)
    assert result.exit_code == 1
    assert "linux-6.1: two-waiters on ext4\n  step 2: worker: model blocked S, kernel EIO\n" in result.stdout
    (difference, *_) = run_json("conform", "--corpus", some)["differences"]
    assert (difference["kernel"], difference["sequence"]) == ("linux-6.1", "two-waiters")


def test_a_kernel_that_was_not_fetched_is_missing(no_kernels: None) -> None:
    assert_one_line(run("conform", "--kernel", "6.1", "--corpus", CORPUS), "daxfuzz conform --fetch 6.1")


def test_a_tool_that_is_not_installed_is_missing(no_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    assert_one_line(run("conform", "--fetch", "6.1"), "not installed", "apt-get install")


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    assert_one_line(run("conform", "--corpus", tmp_path), str(tmp_path))
    assert_one_line(run("conform", "--corpus", CORPUS, "--only", "nothing-like-it"), "nothing-like-it")
    assert run("conform", "--record").exit_code == 2
    assert run("conform", "--fuzz").exit_code == 2
    assert run("conform", "--kernel", "2.4").exit_code == 2
