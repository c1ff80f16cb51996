"""The live displays: as tall as they may be, and one line for each piece of news."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from daxfuzz.cli.against_display import against_look
from daxfuzz.cli.fuzz_display import Look, Plain, Terminal, fuzz_look
from daxfuzz.engines.against import Compared, Comparison, Group
from daxfuzz.engines.fuzz import Found, FuzzSettings, Status
from daxfuzz.program.case import Case, KernelSpec, Program
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import Finding

KERNEL = KernelChoice(KernelSpec("pin-wait-fixed", ("mine.py:Mine",)))
WITHOUT = KernelChoice(KernelSpec("pin-wait-fixed"))
SETTINGS = FuzzSettings(KERNEL, seconds=60.0)


def found(number: int) -> Found:
    signature = f"lost-wakeup/function{number}/new"
    finding = Finding("lost-wakeup", signature, (), "", Case(Program({})), 1, 1, 0, 0, 1)
    return Found(finding, 1, Path(f"{number}.dax"))


def status(findings: int) -> Status:
    return Status(executions=500, seconds=2.0, found=[found(number) for number in range(findings)], triaging=3)


def comparison(findings: int) -> Comparison:
    groups = list(Group)
    made = Comparison(status(0), status(0), seconds=2.0)
    for number in range(findings):
        each = Compared(groups[number % len(groups)], found(number), KERNEL)
        made.found[each.found.finding.signature] = each
        made.history.append(each)
    return made


def drawn(look: Look, shown: Status | Comparison, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=100, height=height)
    console.print(look.dashboard(shown, height))
    return console.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("findings", [0, 1, 12, 13, 14, 60])
@pytest.mark.parametrize(
    ("look", "make"), [(fuzz_look(SETTINGS), status), (against_look(SETTINGS, WITHOUT), comparison)]
)
def test_a_dashboard_fits_and_shows_the_latest(look: Look, make, findings: int) -> None:
    lines = drawn(look, make(findings), 20)
    assert len(lines) <= 20
    assert "pin-wait-fixed + mine.py:Mine on ext4" in lines[0]
    if findings:
        assert f"function{findings - 1}/new" in lines[-1]


def test_a_dashboard_of_two_kernels_names_both_and_counts_groups() -> None:
    text = "\n".join(drawn(against_look(SETTINGS, WITHOUT), comparison(5), 20))
    assert "against pin-wait-fixed" in text
    assert "1,000" in text
    # Two of five are new: groups take turns.
    assert text.count("new: lost-wakeup") == 2
    assert text.count("gone: lost-wakeup") == text.count("both: lost-wakeup") == 1


def test_plain_lines_tell_each_piece_of_news_once(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Plain(against_look(SETTINGS, WITHOUT))
    for findings in (1, 1, 3):
        plain.update(comparison(findings))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"[0:02] {group}: lost-wakeup/function{number}/new -> {number}.dax"
        for number, group in enumerate(("new", "gone", "both"))
    ]


def test_plain_status_line(capsys: pytest.CaptureFixture[str]) -> None:
    made = comparison(4)
    made.seconds = 10.0
    made.verifying = 1
    Plain(against_look(SETTINGS, WITHOUT)).update(made)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "[0:10] 1,000 executions, 100/s, 1 new, 1 gone, 1 in both, 1 unverified, 6 in triage, 1 being verified"
    )


def test_a_terminal_is_redrawn_for_news_and_now_and_then() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=20)
    with Live(console=console, auto_refresh=False) as live:
        terminal = Terminal(live, fuzz_look(SETTINGS))
        sizes = []
        for shown in (status(0), status(0), status(1)):
            terminal.update(shown)
            sizes.append(len(console.file.getvalue()))
    assert sizes[0] == sizes[1] < sizes[2]
