"""One program on two kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.compare import Comparison, compare
from daxfuzz.triage.formats.side_by_side import MARK, comparison_document, where
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.story import Story

F02 = Path(__file__).parents[2] / "corpus" / "flaws" / "pin-wait-f02-lost-wakeup.dax"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    case = load_case(str(F02))
    kernel = KernelChoice(case.kernel)
    return compare(Story(str(F02), case, replay_case(case, kernel)), kernel.plus(case.repaired_by))


def test_the_first_difference_is_the_wake_of_the_repair(comparison) -> None:
    assert comparison.divergence is not None
    pair = comparison.pairs[comparison.divergence]
    assert pair.one is None
    assert (pair.other.task, pair.other.access, pair.other.object) == ("pinner", "active", "var_waitqueue[0]")
    assert all(each.same for each in comparison.pairs[: comparison.divergence])
    assert comparison.one.replayed.kind == "lost-wakeup"
    assert comparison.other.replayed.kind != "lost-wakeup"
    assert "which pin-wait + fix-wake-on-threshold on ext4 has alone" in where(comparison)


def test_all_steps_of_both_are_there_once(comparison) -> None:
    for number, story in enumerate((comparison.one, comparison.other)):
        turns = [pair["turns"][number] for pair in comparison_document(comparison)["steps"]]
        assert [turn for turn in turns if turn is not None] == [step.turn for step in story.trace.steps]


def test_a_kernel_is_no_different_from_itself() -> None:
    case = load_case(str(F02))
    kernel = KernelChoice(case.kernel)
    same = compare(Story(str(F02), case, replay_case(case, kernel)), kernel)
    assert same.divergence is None
    assert where(same) == "The kernels do the same."


def test_what_the_command_shows() -> None:
    result = run("repro", F02, "--against-patch", "fix-wake-on-threshold")
    assert result.exit_code == 1
    assert next(line[0] for line in result.stdout.splitlines() if line[:1] in (MARK, "|")) == MARK
    assert result.stdout.count(f"\n{MARK} ") == 1
    assert "steps the same" in result.stdout
    assert "pin-wait on ext4: lost-wakeup" in result.stdout
    document = run_json("repro", F02, "--against", "refcount-1")
    assert [each["kernel"] for each in document["kernels"]] == ["pin-wait on ext4", "refcount-1 on ext4"]
    assert document["steps"][document["divergence"]]["same"] is False


def test_what_cannot_be_compared() -> None:
    assert_one_line(run("repro", F02, "--against", "no-such"), "no-such")
    assert_one_line(run("repro", F02, "--against", "refcount-1", "--format", "mermaid"), "table and json")
