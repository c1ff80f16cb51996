"""The text for a commit message."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from daxfuzz.program.dax_file import load_case
from daxfuzz.protocols.registry import BUGS, PROTOCOLS
from daxfuzz.search import Replay
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.formats.commit import WIDTH, commit, race
from daxfuzz.triage.formats.commit.kernel_functions import INLINE
from daxfuzz.triage.formats.commit.meaning import mistake
from daxfuzz.triage.formats.commit.race import contended
from daxfuzz.triage.proof import Needed, Proof, Run
from daxfuzz.triage.replay import Replayed, replay_case, turns_of
from daxfuzz.triage.story import Story

CORPUS = Path(__file__).parents[2] / "corpus"

SHOWN = {
    "flaws/pin-wait-f01-get-not-waited-for": ["FOLL_GET references are not waited for.", "-o dax", "prints nothing"],
    "flaws/pin-wait-f02-lost-wakeup": [
        "The count falls below the pin threshold without a wake-up.",
        "truncator sleeps on page_idle",
        "truncator holds sb_writers and i_rwsem",
        "sleeps interruptibly (state S, wchan ext4_wait_dax_page)",
        "GUP_PIN_COUNTING_BIAS of 1024 it takes 1020 references more",
        "page0->_refcount: 4 -> 3",
    ],
    "flaws/pin-wait-f08-locked-entry": ["WARNING: CPU: N PID: N at fs/dax.c dax_disassociate_entry+0x"],
    "flaws/series-v1-f18-huge-gup-fast": ["by broadcast (arm64, INVLPGB)", "virtio-fs with a DAX window", "virtiofsd"],
    "flaws/series-v1-f20-association-fails": ["BUG: unable to handle page fault", "Unbinding the device takes root"],
    "bugs/lock-page-drops-exclusive-wake": [
        "INFO: task b:N blocked for more than 120 seconds.",
        "task:b state:D",
        "   schedule\n   get_unlocked_entry\n   grab_mapping_entry\n",
        "CPU2 (m)",
        "Repaired by 25bbe21bf427 (v4.20).",
    ],
    "bugs/entry-lock-vs-transaction-abba": [
        "possible circular locking dependency detected",
        "but task is already holding lock: mmap_lock",
        "[ writer opens a handle ]",
    ],
}
"""Parts of what is printed, line breaks of paragraphs aside."""

EACH = pytest.mark.parametrize("case", SHOWN)


def story(case: str, proof: Proof | None = None) -> Story:
    loaded = load_case(str(CORPUS / f"{case}.dax"))
    return Story(case, loaded, replay_case(loaded, KernelChoice(loaded.kernel)), proof)


@cache
def text(case: str) -> str:
    return commit(story(case))


@EACH
def test_it_can_be_pasted_into_a_mail(case: str) -> None:
    assert text(case).isascii()
    assert not re.search(r"[ \t]$", text(case), re.MULTILINE)
    assert max(map(len, text(case).splitlines())) <= WIDTH
    assert len(text(case).splitlines()) < 110


@EACH
def test_it_says_what_happens_why_and_when(case: str) -> None:
    for part in ("Kernel: ", "Cause: ", "CPU0 (", "CPU1 (", "Consequence: ", "When: ", f"daxfuzz repro\n  {case}"):
        assert part in text(case) or part.replace("\n ", "") in text(case)
    joined = " ".join(text(case).split())
    for part in SHOWN[case]:
        assert part in text(case) or part in joined


@EACH
def test_steps_stand_in_the_column_of_their_task(case: str) -> None:
    lines = text(case).splitlines()
    head = next(line for line in lines if line.startswith("CPU0 ("))
    table = lines[lines.index(head) + 2 :]
    table = table[: table.index("")]
    starts = [match.start() for match in re.finditer(r"CPU\d", head)]
    programs = story(case).case.program.tasks.values()
    calls = [call.name for calls in programs for call in calls]
    for line in table:
        if line.split("(")[0].strip() in calls:
            assert len(line) - len(line.lstrip()) in starts


def test_only_functions_of_the_kernel_are_named() -> None:
    for case in SHOWN:
        for name in re.findall(r"^ +(\w+)\(\)$", text(case), re.MULTILINE):
            assert name not in INLINE


def test_functions_have_the_names_of_their_release() -> None:
    new, old = text("flaws/refcount-0-f30-busy-is-not-waited-for"), text("flaws/pin-wait-f02-lost-wakeup")
    assert "wait_page_idle()" in new
    assert "dax_fault_iter()" in new
    assert "insert_pfn()" not in new
    assert "lockless_pages_from_mm()" not in new
    assert "wait_page_idle()" not in old


def test_marks_of_the_proof() -> None:
    case = "flaws/pin-wait-f02-lost-wakeup"
    loaded = load_case(str(CORPUS / f"{case}.dax"))
    needed = tuple(Needed(each, Run((0,))) for each in loaded.schedule.order)
    proof = Proof("lost-wakeup", needed, True, interleavings=12)
    shown = " ".join(commit(story(case, proof)).split())
    assert "file0->invalidate_lock: released (a)" in shown
    assert "pgmap->ref: 4 -> 3 (b)" in shown
    assert "It takes (a) before (b) and nothing else: all 12 interleavings" in shown
    sampled = commit(story(case, Proof("lost-wakeup", needed, sampled=9)))
    assert "It takes (a) before (b): 9 random interleavings with this order all fail." in " ".join(sampled.split())


def test_a_clean_case_says_so(tmp_path: Path) -> None:
    path = tmp_path / "clean.dax"
    path.write_text('daxfuzz = 1\nprotocol = "pin-wait-fixed"\nfinding = "none"\n[tasks]\na = ["load(file0, 0)"]\n')
    loaded = load_case(str(path))
    assert commit(Story("clean.dax", loaded, replay_case(loaded, KernelChoice(loaded.kernel)))).startswith("Clean")


def test_each_known_mistake_has_a_sentence() -> None:
    repairs = {repair.slug() for each in PROTOCOLS.values() for repair in each.repairs}
    for name in (*BUGS, *repairs):
        assert re.match(r"[A-Z_a-z0-9(].+[.)]$", mistake(name), re.DOTALL), name


def test_an_unknown_cause_is_what_was_seen() -> None:
    told = story("flaws/pin-wait-f01-get-not-waited-for")
    bare = Story(told.path, replace(told.case, repaired_by=()), told.replayed)
    assert "Cause: Block 0 is freed while pinner has a reference" in commit(bare)


def test_what_is_inline_in_the_kernel_is_a_function_of_the_model() -> None:
    package = CORPUS.parent / "daxfuzz"
    files = [path for part in ("kernel", "protocols") for path in (package / part).rglob("*.py")]
    source = "".join(path.read_text() for path in files)
    defined = set(re.findall(r"def (\w+)\(", source))
    assert defined >= INLINE


def test_what_goes_round_for_ever_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "flaws/refcount-1-n200-livelock"
    case = load_case(CORPUS / f"{name}.dax")
    bench = Bench(case.program, KernelChoice(case.kernel))
    execution = bench.run(Replay(turns_of(case)[:84]), 400)
    assert execution.exhausted
    assert len(execution.turns) == 800
    looks = []
    monkeypatch.setattr(race, "contended", lambda story: looks.append(story) or contended(story))
    text = commit(Story(name, case, Replayed(bench, execution, verdict(execution), "steps")))
    for once in ("[ block 2 freed ]", "[ block 2 allocated to file1 0 ]", "[ transaction 2 being committed ]"):
        assert text.count(once) == 1
    assert "[ transaction 3 " not in text
    assert text.count("\n") < 80
    # All steps are gone through for it.
    assert len(looks) == 1
