"""Failures that only the limit of turns ends."""

from __future__ import annotations

from daxfuzz.program.dax_file import loads_case
from daxfuzz.triage.bench import TURN_LIMIT, KernelChoice
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.reproduce import Effort, search

SPIN = """
daxfuzz = 1
protocol = "refcount-0"
filesystem = "xfs"
finding = "livelock"

[setup]
files = {file0 = 1, file1 = 1}

[tasks]
pinner = ["r0 = get_user_pages(file1, 0)"]
cloner = ["reflink(file0, 0, file1, 0, 1)"]
"""


def test_a_livelock_of_a_simple_schedule_replays() -> None:
    case = loads_case(SPIN, "spin.dax")
    failure = search(case.program, KernelChoice(case.kernel), "livelock", Effort(60, 0))
    assert failure is not None
    assert len(failure.execution.turns) > TURN_LIMIT
    confirm(failure)
