"""``daxfuzz campaign`` as a user starts it, interrupts it, kills it, and starts it again."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

from campaign_kit import SMALL, whole_state
from cli_kit import assert_one_line, run, run_json, start

from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.stats import whole_lines

QUICK = ("--strategy", "random", "--workers", "1")


def settle(directory: Path, **keys: str) -> None:
    """Edit campaign.toml: `slice = "0.2"` and the like."""
    file = directory / "campaign.toml"
    lines = [
        f"{line.partition(' =')[0]} = {keys[line.partition(' =')[0]]}" if line.partition(" =")[0] in keys else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")


def test_from_the_first_start_to_the_next(tmp_path: Path) -> None:
    place = tmp_path / "c"
    result = run("campaign", place, *SMALL, *QUICK, "--time", "0.5", "--seed", "4")
    assert result.exit_code in (0, 1), result.output
    assert " executions in " in result.stdout
    config = (place / "campaign.toml").read_text()
    assert 'protocols = ["refcount-1-fixed"]' in config
    assert "seed = 4" in config
    settle(place, bug='"none"')
    document = run_json("campaign", place, "--workers", "1", "--time", "0.5")
    assert document["starts"] == 2
    assert document["canary"] is None
    assert document["executions"] == sum(way["executions"] for way in document["ways"])
    metrics = (place / "openmetrics.txt").read_text()
    assert metrics.endswith("# EOF\n")
    assert f"daxfuzz_executions_total {float(document['executions'])}\n" in metrics


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    assert_one_line(run("campaign", tmp_path / "c", "--time", "1", "--protocol", "pin-wiat"), "did you mean pin-wait")
    assert_one_line(run("campaign", tmp_path / "c", "--time", "1", "--patch", "no-such"), "unknown patch 'no-such'")
    assert not (tmp_path / "c").exists()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "campaign.toml").write_text("daxfuzz = 1\nseed = -1\n")
    assert_one_line(run("campaign", tmp_path / "d", "--time", "1"), "campaign.toml:2: seed: must be an integer from 0")
    assert_one_line(run("campaign", tmp_path / "d", "--seed", "2", "--time", "1"), "says what to fuzz already")
    assert_one_line(run("campaign", tmp_path / "e", "--base", tmp_path, "--time", "1"), "--fail-on new")


def test_two_campaigns_in_one_directory(tmp_path: Path) -> None:
    first = start("campaign", tmp_path / "c", *SMALL, *QUICK, cwd=tmp_path)
    try:
        lock = tmp_path / "c" / "lock"
        wait_until(lambda: lock.exists() and lock.read_text())
        assert_one_line(
            run("campaign", tmp_path / "c", "--time", "1"), f"another campaign runs here (process {first.pid}"
        )
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert first.returncode == 130


def test_only_what_the_base_does_not_have_is_new(tmp_path: Path) -> None:
    """The same findings twice: against nothing, and against themselves."""
    place, base = tmp_path / "c", tmp_path / "base"
    base.mkdir()
    run("campaign", place, *SMALL, *QUICK, "--time", "0.1")
    settle(place, slice="60.0\nexecutions = 200", bug='"none"')
    files = ("--junit", tmp_path / "junit.xml", "--sarif", tmp_path / "c.sarif")
    result = run("campaign", place, "--workers", "1", "--fail-on", "new", "--base", base, *files)
    assert result.exit_code == 1, result.output
    check_outputs(tmp_path, Directory(place), failing=True)
    found = Directory(place).findings
    assert "that the base does not have" in result.stdout
    for known in found.known.values():
        (base / f"{known.directory}.dax").write_bytes((found.path(known) / "case.dax").read_bytes())
    again = run("campaign", place, "--workers", "1", "--time", "0.01", "--fail-on", "new", "--base", base, *files)
    assert again.exit_code == 0, again.output
    check_outputs(tmp_path, Directory(place), failing=False)
    other = run("campaign", place, "--workers", "1", "--time", "0.01", "--fail-on", "new", "--base", place)
    assert other.exit_code == 0, other.output


def check_outputs(folder: Path, state: Directory, failing: bool) -> None:
    """What CI systems read: findings fail if they count."""
    suites = ElementTree.parse(folder / "junit.xml").getroot()
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    log = json.loads((folder / "c.sarif").read_text())
    [tool_run] = log["runs"]
    results = {each["partialFingerprints"]["daxfuzzSignature/v1"]: each for each in tool_run["results"]}
    assert log["version"] == "2.1.0"
    assert set(results) == set(state.findings.known)
    assert (int(suites.get("failures", "")) > 0) == failing
    assert (cases["no finding that counts"].find("failure") is not None) == failing
    for signature, known in state.findings.known.items():
        assert (cases[signature].find("failure") is not None) == failing
        assert (cases[signature].find("skipped") is None) == failing
        result = results[signature]
        assert tool_run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == known.kind
        assert result["level"] == ("error" if failing else "note")
        [where] = result["locations"]
        assert Path(where["physicalLocation"]["artifactLocation"]["uri"]).name == "case.dax"


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def killed(directory: Path, after: float, writers: str) -> None:
    """Start a campaign there and kill it and its workers a while after one of the writers has added a line."""
    began = lines_of(directory, writers)
    process = start("campaign", directory, "--workers", "1", "--time", "60", cwd=directory)
    try:
        wait_until(lambda: lines_of(directory, writers) > began)
        time.sleep(after)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def lines_of(directory: Path, writers: str) -> int:
    return sum(1 for path in (directory / "stats").glob(f"{writers}.jsonl") for _ in whole_lines(path))


def kill_rounds(directory: Path, rounds: int, seed: int) -> None:
    """Kill a campaign at random moments: what was written stays, and everything is whole."""
    rng = random.Random(seed)
    before = whole_state(directory)
    for _ in range(rounds):
        # While it starts, or while workers are at it.
        killed(directory, rng.uniform(0.0, 1.0), rng.choice(["*", "w*", "w*"]))
        after = whole_state(directory)
        assert before[0] <= after[0], "no finding is lost"
        assert before[2] <= after[2], "no input is lost"
        assert before[3] <= after[3]
        before = after


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    """Two rounds; DAXFUZZ_KILL_ROUNDS=100 for more."""
    place = tmp_path / "c"
    run("campaign", place, *SMALL, "--strategy", "random", "--workers", "1", "--time", "0.1")
    settle(place, slice="0.1", bug='"none"')
    kill_rounds(place, int(os.environ.get("DAXFUZZ_KILL_ROUNDS", "2")), seed=2)
    assert whole_state(place)[3] > 0


def test_stdout_is_one_document_and_progress_is_on_stderr(tmp_path: Path) -> None:
    process = start("campaign", "c", *SMALL, *QUICK, "--time", "1", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert json.loads(out)["directory"] == "c"
    assert "Traceback" not in err
    assert process.returncode in (0, 1)
