from __future__ import annotations

from typing import Any

import pytest
from conform_kit import CORPUS, WAITING, sequence_of

from daxfuzz.conform import real
from daxfuzz.conform.calls import NotExpressible
from daxfuzz.conform.sequence import load


class FakeMachine:
    """Answers like a kernel on which nothing ever waits, or as told."""

    def __init__(self, **answers: dict[str, Any]) -> None:
        self.asked: list[str] = []
        self.answers = answers

    def ask(self, text: str) -> dict[str, Any]:
        self.asked.append(text)
        word = text.split()[0]
        settled = {"events": [], "busy": [], "idle_disk": 0, "warnings": []}
        if word == "file":
            return {"error": 0, "pfns": [100, 101]}
        if word == "finish":
            return {"left": 0, "log": [], **self.answers.get("finish", {})}
        if word == "call":
            slot, name = int(text.split()[1]), text.split()[3]
            return {**settled, "events": [[slot, "done", 0]], **self.answers.get(name, {})}
        return {**settled, "ok": 1}

    def refcounts(self, pfns: list[int]) -> list[int]:
        return [1] * len(pfns)


def guest(machine: FakeMachine) -> real.Guest:
    return real.Guest(machine)  # type: ignore[arg-type]


def test_a_sequence_becomes_commands_for_the_agent() -> None:
    machine = FakeMachine()
    guest(machine).run(sequence_of(WAITING), "xfs")
    address = "0x200000001000"
    assert machine.asked == [
        "mkfs xfs",
        "begin 0 2",
        f"file 0 2 1 {address} 512",
        f"space 0 1 m 0 {address} 2 1",
        "space 1 2 o 0",
        f"call 0 0 splice {int(address, 16) + 4096}",
        "call 1 0 ftruncate 70 0",
        "call 0 0 piperead",
        "finish",
    ]


def test_who_is_in_a_call_gets_no_turn_and_still_waits() -> None:
    waits = {"events": [], "busy": [[1, "S", "ext4_break_layouts"]]}
    machine = FakeMachine(ftruncate=waits)
    text = WAITING.replace('["truncate(file0, 0)"]', '["truncate(file0, 0)", "fsync(file0)"]')
    outcome = guest(machine).run(sequence_of(text.replace('truncator pinner"', 'truncator*2"')), "ext4")
    assert [facts.get("truncator") for facts in outcome] == [None, None, "blocked S", "blocked S"]
    assert not any("fsync" in text for text in machine.asked)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("WARNING: CPU: 1 PID: 9 at fs/dax.c:398 dax_disassociate_entry+0x87/0xb0", "dax_disassociate_entry"),
        ("WARNING: fs/dax.c:398 at dax_disassociate_entry+0x87/0xb0, CPU#1: a/9", "dax_disassociate_entry"),
        ("BUG: unable to handle page fault for address: ff", "BUG:-unable-to-handle-page-fault-for-address:-ff"),
    ],
)
def test_a_warning_of_any_kernel_is_named_by_its_function(line: str, name: str) -> None:
    outcome = guest(FakeMachine(ftruncate={"warnings": [line, line]})).run(sequence_of(WAITING), "ext4")
    assert [facts.get("warnings") for facts in outcome] == [None, None, name, None]


def test_a_machine_with_a_process_that_does_not_end_is_of_no_more_use_but_its_outcome_stands() -> None:
    with pytest.raises(real.PoisonedAfter) as caught:
        guest(FakeMachine(finish={"left": 1})).run(sequence_of(WAITING), "ext4")
    assert len(caught.value.outcome) == 4


@pytest.mark.parametrize(("function", "made"), [("g", 3), ("dax_disassociate_entry", 1)])
def test_a_file_system_is_made_anew_after_some_warnings_only(function: str, made: int) -> None:
    machine = FakeMachine(ftruncate={"warnings": [f"WARNING: CPU: 0 PID: 1 at f.c:1 {function}+0x1/0x2"]})
    runner = guest(machine)
    for text in (WAITING, WAITING, WAITING.replace("truncate(file0, 0)", "fsync(file0)")):
        runner.run(sequence_of(text), "ext4")
    runner.run(sequence_of(WAITING.replace("truncate(file0, 0)", "fsync(file0)")), "ext4")
    assert machine.asked.count("mkfs ext4") == made


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("unbind()", "unbind"),
        ("r0 = get_user_pages_fast(file0, 0)", "direct_read"),
        ("madvise(file0, MADV_HWPOISON, 0, 1)", "boot"),
        ('bio_endio()", "signal(truncator)', "device"),
        ('direct_read(file0, 0, 1)", "exit()', "asynchronous"),
    ],
)
def test_what_no_user_of_a_kernel_can_do_is_refused(call: str, reason: str) -> None:
    with pytest.raises(NotExpressible, match=reason):
        real.check(sequence_of(WAITING.replace("truncate(file0, 0)", call)))


def test_pages_of_a_pmd_move_with_it_only() -> None:
    def check(call: str) -> None:
        text = WAITING.replace("files = {file0 = 2}", "files = {file0 = 4}\nhuge = true")
        real.check(sequence_of(text.replace("truncate(file0, 0)", call)))

    check("fallocate(file0, COLLAPSE_RANGE, 0, 2)")
    check("fallocate(file0, PUNCH_HOLE, 0, 1)")
    with pytest.raises(NotExpressible, match="within a PMD"):
        check("fallocate(file0, COLLAPSE_RANGE, 0, 1)")


def test_of_devices_that_wait_for_a_request_the_first_task_goes_on_as_in_the_model() -> None:
    machine = FakeMachine(endio={"events": [], "idle_disk": 2}, direct={"events": [], "idle_disk": 1})
    text = WAITING.replace("truncate(file0, 0)", "direct_read(file0, 0, 1)").replace(
        'pinner = ["vmsplice(file0, 1)", "pipe_read()"]', 'd0 = ["bio_endio()"]\nd1 = ["bio_endio()"]'
    )
    outcome = guest(machine).run(sequence_of(text.replace("pinner truncator pinner", "d1 d0 truncator")), "ext4")
    assert outcome[-1]["d0"] == "ok"
    assert "d1" not in outcome[-1]


def test_every_sequence_of_the_corpus_can_be_run_on_a_kernel() -> None:
    sequences = load(CORPUS)
    assert len(sequences) >= 120
    for each in sequences:
        real.check(each)
