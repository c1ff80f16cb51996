from __future__ import annotations

from random import Random

import pytest

from daxfuzz.conform import model
from daxfuzz.conform.bridge import Bridged, Verdict, bridge, make_plan
from daxfuzz.conform.outcome import Outcome
from daxfuzz.conform.profiles import PROFILES
from daxfuzz.conform.sequence import Group, Sequence
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import loads_case
from daxfuzz.protocols.registry import build
from daxfuzz.triage.bench import KernelChoice

UNMAPPED = """\
daxfuzz = 1
protocol = "refcount-1"
filesystem = "ext4"
finding = "freed-while-pinned"
repaired_by = ["fix-mapping-mapped"]
[tasks]
pinner = ["r0 = pin_user_pages_fast(file0, 0)", "munmap(file0)"]
truncator = ["truncate(file0, 0)"]
[schedule]
calls = "pinner*2 truncator"
"""

PROFILE = PROFILES["6.1"]


class Kernel:
    """Stands for a real kernel."""

    def __init__(self, *patches: str) -> None:
        self.subsystems = build("refcount-1", patches).subsystems
        self.runs: list[tuple[Group, ...]] = []

    def run(self, sequence: Sequence, filesystem: str, groups: tuple[Group, ...], rng: Random | None) -> Outcome:
        self.runs.append(groups)
        return model.run(sequence, self.subsystems, filesystem, groups, rng)


def tried(text: str, kernel: Kernel, attempts: int = 5) -> Bridged:
    case = loads_case(text)
    return bridge(case, KernelChoice(case.kernel), PROFILE, kernel.run, attempts)


def test_a_finding_that_needs_no_race_is_tried_once() -> None:
    found = tried(UNMAPPED, Kernel())
    assert (found.verdict, found.attempts) == (Verdict.REPRODUCED, 1)
    assert found.plan is not None
    assert [str(call) for call in found.plan.sequence.program.tasks["pinner"]] == [
        "direct_read(file0, 0, 1)",
        "munmap(file0)",
    ]
    assert found.plan.groups == ((0,), (0,), (1,))
    assert found.plan.notes


def test_a_kernel_without_the_flaw_does_not_show_it() -> None:
    assert tried(UNMAPPED, Kernel("fix-mapping-mapped")).verdict is Verdict.NOT_REPRODUCED


def test_calls_that_begin_in_the_midst_of_others_race_and_are_tried_again() -> None:
    steps = UNMAPPED.replace('calls = "pinner*2 truncator"', 'steps = "pinner*18 truncator*30"')
    kernel = Kernel("fix-mapping-mapped")
    case: Case = loads_case(steps)
    plan = make_plan(case, KernelChoice(case.kernel))
    assert plan.races
    found = tried(steps, kernel)
    assert found.verdict in (Verdict.NOT_REPRODUCED, Verdict.NOT_EXPRESSIBLE)
    assert len(kernel.runs) == found.attempts


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"ext4"', '"fuse"', "fuse is no file system"),
        ('"munmap(file0)"]', '"memory_failure(file0, 0)"]', "memory_failure"),
        ('"munmap(file0)"]', '"load(file0, 0)"]', "nothing that can be seen"),
        ("pin_user_pages_fast(file0, 0)", "get_user_pages_fast(file0, 0)", ""),
        ('"munmap(file0)"]', '"dma_write(r0)", "munmap(file0)"]', ""),
        ("pin_user_pages_fast(file0, 0)", "pin_user_pages_fast(file0, 0, 2)", "several pages"),
    ],
)
def test_what_cannot_be_brought_to_a_kernel_says_why(old: str, new: str, reason: str) -> None:
    text = (
        UNMAPPED.replace("pinner*2", "pinner*3")
        .replace(old, new)
        .replace("[tasks]", "[setup]\nfiles = {file0 = 2}\n[tasks]")
    )
    kernel = Kernel()
    found = tried(text, kernel)
    if reason:
        assert found.verdict is Verdict.NOT_EXPRESSIBLE
        assert reason in found.reason
        assert kernel.runs == []
    else:
        assert found.verdict is Verdict.REPRODUCED
