"""fuzz: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_kit import run, start

from daxfuzz.cli.fuzz import document as told_in_json
from daxfuzz.cli.fuzz_display import final_report
from daxfuzz.engines.fuzz import FuzzSettings, Status
from daxfuzz.engines.jobs import Left, RawFailure, Symptom
from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice

EXECUTIONS = 400
"""One round of 400, and the beginning of another, which depends on what the first has found."""

KEYS = {
    "left",
    "findings",
    "executions",
    "steps",
    "seconds",
    "executions_per_second",
    "points_reached",
    "points_total",
    "seed",
}
FINDING_KEYS = {
    "kind",
    "signature",
    "explained_by",
    "case",
    "executions_to_find",
    "tasks",
    "operations",
    "preemptions",
    "choices",
    "steps",
}


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a process; its stdout and stderr."""
    try:
        return process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Any]]:
    """The same run with one worker and with two: directory and document of each."""
    made = {}
    for workers in (1, 2):
        directory = tmp_path_factory.mktemp(f"workers{workers}")
        process = start("fuzz", "--executions", EXECUTIONS, "--seed", 5, "--workers", workers, "--json", cwd=directory)
        stdout, stderr = finish(process)
        assert process.returncode == 1, stderr
        made[workers] = (directory, json.loads(stdout))
    return made


def test_document(runs: dict[int, tuple[Path, Any]]) -> None:
    _, document = runs[1]
    assert set(document) >= KEYS
    assert document["executions"] == EXECUTIONS
    assert document["seed"] == 5
    assert 0 < document["points_reached"] <= document["points_total"]
    assert document["findings"]
    assert all(set(finding) == FINDING_KEYS for finding in document["findings"])


def test_workers_do_not_matter(runs: dict[int, tuple[Path, Any]]) -> None:
    (one, first), (two, second) = runs[1], runs[2]
    for document in (first, second):
        del document["seconds"], document["executions_per_second"]
    assert first == second
    for finding in first["findings"]:
        assert (one / finding["case"]).read_bytes() == (two / finding["case"]).read_bytes()


def test_findings_replay(runs: dict[int, tuple[Path, Any]]) -> None:
    directory, document = runs[1]
    for finding in document["findings"]:
        result = run("repro", directory / finding["case"], "--json")
        assert result.exit_code == 1, result.output
        assert json.loads(result.stdout)["signature"] == finding["signature"]
        assert json.loads(result.stdout)["via"] == "steps"


def test_nothing_found(tmp_path: Path) -> None:
    process = start("fuzz", "--protocol", "pin-wait-fixed", "--executions", 100, "--workers", 1, cwd=tmp_path)
    stdout, stderr = finish(process)
    assert process.returncode == 0, stderr
    assert "No finding in 100 executions" in stdout
    assert "0.03 per execution" in stdout
    assert "points reached" in stdout


def test_bug_is_hunted_where_it_belongs_and_named_in_the_case(tmp_path: Path) -> None:
    args = ("--bug", "pin-only-idle-test", "--executions", 400, "--workers", 1, "--json")
    process = start("fuzz", *args, cwd=tmp_path)
    stdout, stderr = finish(process)
    assert process.returncode == 1, stderr
    finding = json.loads(stdout)["findings"][0]
    assert finding["explained_by"] == ["pin-only-idle-test"]
    case = load_case(tmp_path / finding["case"])
    assert case.kernel == KernelSpec("pin-wait-fixed", bugs=("pin-only-idle-test",))
    assert case.repaired_by == ()
    replayed = run("repro", tmp_path / finding["case"], "--json")
    assert replayed.exit_code == 1
    assert json.loads(replayed.stdout)["signature"] == finding["signature"]
    assert "Not so without pin-only-idle-test." in run("repro", tmp_path / finding["case"]).stdout


def first_finding(process: subprocess.Popen[str]) -> Path:
    """Wait until a running fuzzer says that it has found something: the case."""
    assert process.stderr is not None
    for line in process.stderr:
        if " new: " in line:
            return Path(line.rpartition(" -> ")[2].strip())
    raise AssertionError("the fuzzer has ended without a finding")


def test_kill_leaves_whole_cases(tmp_path: Path) -> None:
    process = start("fuzz", "--seed", 1, "--workers", 1, "--time", "10m", cwd=tmp_path)
    try:
        shown = first_finding(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert load_case(tmp_path / shown).finding != "none"
    for path in tmp_path.rglob("*.dax"):
        load_case(path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start("fuzz", "--seed", 1, "--workers", 1, "--time", "10m", cwd=tmp_path)
    try:
        shown = first_finding(process)
        os.kill(process.pid, number)
        stdout, stderr = finish(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert f"daxfuzz repro {shown}" in stdout
    load_case(tmp_path / shown)


def test_what_there_was_no_time_for_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = RawFailure(7, KernelChoice(KernelSpec()), Symptom("leak", "user_space", ""), Program({}), (), "random")
    status = Status(executions=400, left=[Left(raw, tmp_path / "a.dax")])
    final_report(status, FuzzSettings(raw.kernel))
    out = capsys.readouterr().out
    assert "before 1 failure could be minimized" in out
    assert out.rstrip().endswith(f"daxfuzz minimize {tmp_path / 'a.dax'}")
    assert "No finding" not in out
    left = {"kind": "leak", "function": "user_space", "channel": "", "executions_to_find": 8}
    told = told_in_json(status, 0)
    assert told["left"] == [left | {"case": str(tmp_path / "a.dax")}]
    assert told["bound_95"] is None
