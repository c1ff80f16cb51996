"""The silent runs: what they spread over, and that they report what they find."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench.silent import Silence, spread
from daxfuzz.engines.fuzz import Status
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.protocols.registry import PROTOCOLS


def silent(directory: Path, *protocols: str, executions: int) -> tuple[str | Path | int, ...]:
    named = [part for name in protocols for part in ("--protocol", name)]
    return "bench", "silent", *named, "--filesystem", "ext4", "--executions", executions, "--findings", directory


@pytest.mark.parametrize("executions", [1, 2_000, 2_000_000])
def test_each_kernel_has_the_same_share_and_none_is_left_out(executions: int) -> None:
    wanted = spread(["a", "b"], ["x", "y", "z"], executions, seed=0)
    shares = {silence.executions for silence in wanted}
    (share,) = shares
    assert share % SCHEDULES_PER_PROGRAM == 0
    assert executions <= share * 6 < executions + 6 * SCHEDULES_PER_PROGRAM


def test_no_two_kernels_run_the_same_programs_in_any_run() -> None:
    seeds = [silence.seed for seed in range(3) for silence in spread(["a", "b"], ["x", "y", "z"], 1, seed)]
    assert len(set(seeds)) == len(seeds) == 18


def test_what_is_found_is_written_and_fails(tmp_path: Path) -> None:
    document = run_json(*silent(tmp_path, "pin-wait", executions=60))
    (kernel,) = document["silent"]
    assert kernel["findings"]
    assert all(Path(case).is_file() for case in kernel["cases"])


def test_a_fixed_protocol_is_silent(tmp_path: Path) -> None:
    result = run(*silent(tmp_path, "pin-wait-fixed", "refcount-1-fixed", executions=400))
    assert result.exit_code == 0
    assert "0 findings in 400 executions: with 95 % confidence fewer than 0.0075 per execution." in result.stdout


def test_all_fixed_protocols_on_all_file_systems_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def fuzz(silence: Silence, *rest: object) -> Status:
        asked.append((silence.protocol, silence.filesystem))
        return Status()

    monkeypatch.setattr("daxfuzz.bench.silent.fuzz", fuzz)
    assert run("bench", "silent", "--findings", tmp_path).exit_code == 0
    fixed = [name for name in PROTOCOLS if name.endswith("-fixed")]
    assert asked == [(protocol, filesystem) for protocol in fixed for filesystem in FILESYSTEMS]


@pytest.mark.parametrize(("option", "value"), [("--protocol", "pin-wate-fixed"), ("--filesystem", "ext5")])
def test_unknown_names_are_refused(option: str, value: str) -> None:
    result = run("bench", "silent", option, value)
    assert_one_line(result, value)
