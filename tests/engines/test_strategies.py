"""The public hypothesis strategies: what they draw is valid, and what fails shrinks to what a reader would write."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, find, given, reproduce_failure, settings
from hypothesis import strategies as st

from daxfuzz.kernel.machine import Machine
from daxfuzz.program.bytes_form import decode, encode
from daxfuzz.program.calls import check_calls
from daxfuzz.program.case import Program, Setup
from daxfuzz.protocols.registry import UnknownName
from daxfuzz.sim import SparseSchedule
from daxfuzz.strategies import Found, Trial, case, cases, machines, operation, programs, role, schedules

QUICK = settings(
    max_examples=3_000, deadline=None, database=None, phases=[Phase.generate, Phase.shrink], derandomize=True
)
PATCH = '''
from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class NeverBusy(Patch):
    """dax: Wait for nobody."""

    class dax(Dax):
        def page_busy(self, refcount: int) -> bool:
            return False
'''


@given(programs(tasks=4, files=2, pages=4), st.data())
def test_programs_are_valid(program: Program, data: st.DataObject) -> None:
    check_calls(program)
    schedule = data.draw(schedules(len(program.tasks)))
    assert decode(encode(program, schedule))[1] == schedule
    assert len(program.tasks) <= 4
    assert all(len(calls) <= 4 for calls in program.tasks.values())
    assert sorted(task for tasks in program.setup.mms.values() for task in tasks) == sorted(program.tasks)


@settings(max_examples=30, deadline=None)
@given(programs(roles=["pinner", "truncator", "pinner"], files=2, pages=3))
def test_roles(program: Program) -> None:
    check_calls(program)
    assert list(program.tasks) == ["pinner", "truncator", "pinner1"]


@given(schedules(3, switches=5, turns=20))
def test_schedules_ascend(schedule: SparseSchedule) -> None:
    places = [turn for turn, _ in schedule.switches]
    assert places == sorted(set(places))


def test_the_simplest_are_small() -> None:
    assert find(programs(), lambda _: True, settings=QUICK) == Program({"t0": ()}, simplest_setup())
    assert find(machines(), lambda _: True, settings=QUICK) == Machine()
    assert find(schedules(2), lambda _: True, settings=QUICK).switches == ()


def simplest_setup() -> Setup:
    return find(programs(tasks=1, calls=1), lambda program: not program.tasks["t0"], settings=QUICK).setup


def fails(trial: Trial) -> bool:
    return trial.run() is not None


def operations(trial: Trial) -> int:
    return sum(map(len, trial.program.tasks.values()))


def test_a_minimum_is_what_a_reader_would_write() -> None:
    what = cases(operations=["truncate", "get_user_pages", "put_page", "load"], tasks=2)
    # What is drawn depends on which modules a process has loaded, and every other search stops at a local minimum.
    found = [find(what, fails, settings=QUICK, random=Random(seed)) for seed in range(12)]
    assert sum(operations(each) == 2 for each in found) > len(found) / 2
    least = min(found, key=lambda each: (len(each.program.tasks), operations(each)))
    assert least == case("pin-wait", {"t0": ["r0 = get_user_pages(file0, 0)", "truncate(file0, 0)"]})
    with pytest.raises(Found, match=r"freed-while-referenced in ext4_remove_space(.|\n)*free allocator"):
        least.check()


def test_a_patch_of_a_user_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "my_patch.py"
    file.write_text(PATCH)
    what = cases(["refcount-1-fixed"], patches=[str(file)], roles=["pinner", "truncator"], pages=1)
    trial = find(what, fails, settings=QUICK)
    assert f"patches=['{file}:NeverBusy']" in repr(trial)
    assert eval(repr(trial), {"case": case}) == trial
    assert trial.schedule.switches == ()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(["pin-wait", "refcount-1"], filesystems=["ext4", "xfs"], files=2, pages=3))
def test_a_trial_prints_as_what_makes_it(trial: Trial) -> None:
    assert eval(repr(trial), {"case": case}) == trial


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"no role is called 'pinne' \(did you mean \"pinner\"\?\)"):
        find(programs(roles=["pinne"]), lambda _: True)
    with pytest.raises(ValueError, match="no operation is called 'lod'"):
        find(programs(operations=["lod"]), lambda _: True)
    with pytest.raises(ValueError, match="at least one task"):
        find(programs(tasks=0), lambda _: True)
    with pytest.raises(ValueError, match="no schedule has 0 tasks"):
        schedules(0)
    with pytest.raises(UnknownName, match="pin-wat"):
        cases(["pin-wat"])
    with pytest.raises(ValueError, match="is no file"):
        case("pin-wait", {"t0": ["load(file9, 0)"]})


def test_examples_and_reproduce_failure() -> None:
    """What hypothesis prints of a failure makes it fail again, and so does what the trial prints as an example."""
    what = cases(operations=["truncate", "get_user_pages"], tasks=2, pages=1)

    def check(trial: Trial) -> None:
        trial.check()

    with pytest.raises(Found) as caught:
        settings(QUICK, print_blob=True, phases=[Phase.generate])(given(what)(check))()
    notes = "\n".join(caught.value.__notes__)
    version, blob = re.search(r"@reproduce_failure\('(.+)', b'(.+)'\)", notes).groups()  # type: ignore[union-attr]
    with pytest.raises(Found):
        reproduce_failure(version, blob.encode())(settings(database=None)(given(what)(check)))()
    printed = eval(re.search(r"trial=(case\(.*\))", notes)[1], {"case": case})  # type: ignore[index]
    with pytest.raises(Found):
        example(printed)(settings(phases=[Phase.explicit])(given(what)(check)))()


README = Path(__file__).parents[2] / "README.md"


def test_an_operation_and_an_actor_of_ones_own() -> None:
    """As the README has them: with pin-wait, a truncation does not wait for a plain reference."""
    text = next(part for part in README.read_text().split("```python\n") if "@role" in part).partition("```")[0]
    own = text.partition("@operation")[2].partition("@given")[0]
    assert len([line for line in own.splitlines() if line.strip()]) <= 9
    names: dict[str, Any] = {"QUICK": QUICK}
    exec(text.replace("@given", "@QUICK\n@given"), names)
    with pytest.raises(Found, match="freed-while-referenced") as caught:
        names["test_my_driver"]()
    assert "peek(file0, 0)" in str(caught.value)


def test_errors_of_ones_own() -> None:
    async def load(sim: Any, task: Any, call: Any) -> int:
        return 0

    def pinner(draft: Any) -> None:
        return

    def my2(draft: Any) -> None:
        return

    with pytest.raises(ValueError, match="daxfuzz has an operation 'load' itself"):
        operation("load again")(load)
    with pytest.raises(ValueError, match="daxfuzz has a role 'pinner' itself"):
        role(pinner)
    with pytest.raises(ValueError, match="no task can be called 'my2'"):
        role(my2)
