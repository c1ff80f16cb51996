"""daxfuzz verify."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import CLEAN, F01, run, run_json

from daxfuzz.program.dax_file import load_case

CLEAN_PAIR = """\
daxfuzz = 1
protocol = "refcount-1-fixed"
finding = "none"

[tasks]
getter = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]
loader = ["load(file0, 0)"]
"""


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "clean.dax"
    path.write_text(CLEAN_PAIR)
    return path


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    path = tmp_path / "failing.dax"
    path.write_text(F01)
    return path


def test_a_clean_program_is_exhausted(clean: Path) -> None:
    result = run("verify", clean)
    assert result.exit_code == 0
    assert "Exhausted: every interleaving, all clean." in result.stdout


def test_json_has_what_was_counted(clean: Path) -> None:
    every = run_json("verify", clean, "--reduction", "none")
    slept = run_json("verify", clean, "--reduction", "sleep")
    for document in (every, slept):
        assert document["exhausted"]
        assert document["bound"] == ""
        assert document["findings"] == []
        assert document["coverage"] == pytest.approx(1)
    assert every["states"] == slept["states"]
    assert slept["transitions"] <= every["transitions"]
    assert every["executions"] > every["complete"] >= every["final_states"] >= 1
    assert every["longest"] > 20


def test_a_finding_is_written_and_shows_what_it_says(failing: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("verify", failing, "-o", out)
    assert result.exit_code == 1
    assert "Stopped at the first finding" in result.stdout
    (written,) = out.iterdir()
    case = load_case(written)
    assert case.finding == "freed-while-referenced"
    assert case.repaired_by == ("fix-idle-on-refcount",)
    assert run("repro", written).exit_code == 1


def test_with_its_repair_the_program_is_clean(failing: Path) -> None:
    result = run("verify", failing, "--patch", "fix-idle-on-refcount")
    assert result.exit_code == 0


def test_a_bound_that_was_reached_is_told(clean: Path) -> None:
    for options, bound, text in (
        (["--preemptions", "1"], "preemptions", "with at most 1 preemption"),
        (["--steps", "9"], "steps", "the first 9 steps"),
        (["--executions", "3"], "executions", "Nothing is said about the rest"),
    ):
        assert text in run("verify", clean, *options).stdout
        result = run("verify", clean, "--json", *options)
        assert result.exit_code == 3
        document = run_json("verify", clean, *options)
        assert (document["bound"], document["exhausted"]) == (bound, False)


def test_bounds_of_one_execution_do_not_go_with_sleep_sets(clean: Path) -> None:
    result = run("verify", clean, "--preemptions", "1", "--reduction", "sleep")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_input_errors_are_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.dax"
    wrong.write_text(CLEAN.replace("pin-wait-fixed", "nonsense"))
    for arguments in (["nowhere.dax"], [wrong], [wrong, "--reduction", "magic"]):
        result = run("verify", *arguments)
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()) == 1


def test_the_cutoff_of_plain_references_that_look_like_a_pin(tmp_path: Path) -> None:
    path = tmp_path / "f02.dax"
    path.write_text(
        'daxfuzz = 1\nprotocol = "pin-wait"\nfinding = "lost-wakeup"\n[machine]\nbias = 3\n[tasks]\n'
        'p = ["r0 = get_user_pages(file0, 0)", "r1 = get_user_pages(file0, 0)", "put_page(r1)"]\n'
        't = ["truncate(file0, 0)"]\n'
    )
    document = run_json("verify", path, "--cutoff", "bias")
    shown = [(point["bias"], point["count"]) for point in document["points"] if point["shown"]]
    assert shown == [(2, 1), (3, 2)]
    assert all(point["exhausted"] for point in document["points"] if not point["shown"])
    assert "BIAS-1 plain references: 1023 at GUP_PIN_COUNTING_BIAS = 1024" in document["statement"]
    tasks = run_json("verify", path, "--cutoff", "tasks")
    assert tasks["statement"] == "lost-wakeup appears with 2 tasks; the largest verified without it: 1"
