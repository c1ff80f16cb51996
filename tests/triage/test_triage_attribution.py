"""Attribution of what is new, of repeats, and of flaws that hide in one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracle_kit import program
from triage_kit import DEEP, FLAWS, failing, kernel

from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.sim import Execution, Violation
from daxfuzz.triage import attribute
from daxfuzz.triage.attribute import all_but, explained_by, narrow_flaw
from daxfuzz.triage.bench import KernelChoice, verdict
from daxfuzz.triage.finding import NotReproduced, cause, confirm, known, triage, with_fewer_patches
from daxfuzz.triage.minimize import minimize, without_switches
from daxfuzz.triage.reproduce import Failure, Goal, hints_of, search

NEW_FLAW = '''
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.protocols.patch import Patch


class ForgetPut(Patch):
    """mm: Do not drop FOLL_GET references."""

    class memremap(Memremap):
        async def put_page(self, page):
            await page.head.read()
'''

GET_AND_PUT = program(
    {
        "getter": ["load(file0, 0)", "r0 = get_user_pages(file0, 0)", "put_page(r0)"],
        "mapper": ["load(file0, 0)"],
    }
)


@pytest.fixture
def broken(tmp_path) -> KernelChoice:
    path = tmp_path / "forget_put.py"
    path.write_text(NEW_FLAW)
    return KernelChoice(KernelSpec("pin-wait", ("forget_put.py:ForgetPut",)), (str(path),))


def test_a_flaw_without_a_repair_is_new(broken) -> None:
    finding = triage(failing(GET_AND_PUT, broken, "leak"), broken)
    assert finding.explained_by == ()
    assert finding.signature.endswith("/new")
    assert (finding.tasks, finding.operations, finding.preemptions) == (1, 2, 0)
    assert finding.case.kernel.patches == ("forget_put.py:ForgetPut",)
    assert finding.file_name().startswith("leak-")


def test_the_same_program_without_the_patch_does_not_fail() -> None:
    with pytest.raises(AssertionError, match="no leak"):
        failing(GET_AND_PUT, kernel("pin-wait"), "leak")


@pytest.mark.parametrize(
    ("flaw", "other"), [("F-07", "fix-skip-locked"), ("F-08", "fix-mapping-mapped"), ("F-02", "fix-idle-on-refcount")]
)
def test_known_recognises_a_repeat_and_nothing_else(flaw, other) -> None:
    fat = FLAWS[flaw]
    failure = failing(fat.program, kernel("pin-wait"), fat.kind)
    assert known(failure, [("leak", (fat.repair,)), (fat.kind, (fat.repair,))])
    assert not known(failure, [])
    assert not known(failure, [("leak", (fat.repair,))])
    assert not known(failure, [(fat.kind, ())])
    # That of F-01 supersedes that of F-02 and silences this one, too, but the narrow repair says whose it is.
    assert not known(failure, [(fat.kind, (other,))])


def test_a_repair_that_is_applied_already_explains_nothing() -> None:
    fat = FLAWS["F-08"]
    failure = failing(fat.program, kernel("pin-wait", "fix-mapping-mapped"), fat.kind)
    assert not known(failure, [(fat.kind, ("fix-mapping-mapped",))])
    assert explained_by(failure, hints_of(failure)) == ("fix-skip-locked",)


def test_the_narrower_of_two_repairs_explains_a_false_positive() -> None:
    repairs = kernel("pin-wait").repairs()
    others = all_but(("fix-wake-on-threshold",), repairs)
    assert set(repairs) - set(others) == {"fix-wake-on-threshold", "fix-idle-on-refcount"}
    assert "fix-wake-on-threshold" in all_but(("fix-idle-on-refcount",), repairs)


# Either flaw frees the block: of the pinned page without a mapping, or of the one whose entry is locked.
TWO_FLAWS = program(
    {
        "pinner": ["r0 = pin_user_pages(file0, 0)", "r1 = pin_user_pages(file1, 0)", "munmap(file0)"],
        "syncer": ["fsync(file1)"],
        "truncator": ["truncate(file0, 0)", "truncate(file1, 0)"],
    },
    files={"file0": 1, "file1": 1},
)


def test_a_failure_that_needs_two_repairs_names_both_of_them() -> None:
    failure = failing(TWO_FLAWS, kernel("refcount-1"), "freed-while-pinned")
    assert set(explained_by(failure, hints_of(failure))) == {"fix-mapping-mapped", "fix-skip-locked"}
    finding = triage(failure, kernel("refcount-1"))
    assert finding.explained_by in (("fix-mapping-mapped",), ("fix-skip-locked",))


def test_a_failure_on_a_repaired_kernel_becomes_a_case_for_the_kernel_that_was_asked_for() -> None:
    fat = FLAWS["F-08"]
    target = kernel("refcount-1")
    failure = failing(fat.program, target.plus(("fix-mapping-mapped",)), fat.kind)
    finding = triage(failure, target)
    assert finding.case.kernel == target.spec
    assert finding.explained_by == ("fix-skip-locked",)


FAULT_AND_UNBIND = program(
    {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)"],
        "mapper": ["fsync(file0)"],
        "unbinder": ["unbind()"],
    },
    prefault=False,
)
"""F-14 in a program in which F-23, whose repair closes both, shows as well."""


def in_function(of: Program, on: KernelChoice, kind: str, function: str) -> Failure:
    failure = search(of, on, Goal(kind, function), DEEP)
    assert failure is not None
    return replace(failure, in_place=False)


def test_a_narrow_flaw_is_told_from_a_wide_one_that_shows_in_the_same_way() -> None:
    target = kernel("refcount-1", "fix-unbind-waits")
    failure = in_function(FAULT_AND_UNBIND, target, "use-after-free", "associate_page")
    wide = ("use-after-free", ("fix-unbind-invalidates",))
    assert not known(failure, [wide])
    assert known(failure, [wide, ("use-after-free", ("fix-fault-holds-device",))])
    found = cause(failure, [wide])
    assert found is not None
    repair, alone = found
    assert repair == "fix-fault-holds-device"
    assert alone.in_place
    finding = triage(failure, target, alone=alone)
    assert finding.explained_by == ("fix-fault-holds-device",)
    assert (finding.tasks, finding.operations) == (2, 2)


def test_what_fails_elsewhere_is_left_to_the_wide_flaw() -> None:
    failure = in_function(FAULT_AND_UNBIND, kernel("refcount-1", "fix-unbind-waits"), "use-after-free", "dax_flush")
    found = cause(failure, [])
    assert found is not None
    assert found[0] == "fix-unbind-invalidates"
    assert cause(failure, [("use-after-free", ("fix-unbind-invalidates",))]) is None


@pytest.mark.parametrize(("kind", "place"), [("livelock", ""), ("use-after-free", "associate_page")])
def test_what_does_not_end_is_not_told_apart_by_where_it_was_stopped(kind, place, monkeypatch) -> None:
    of = program({"pinner": ["r0 = get_user_pages(file0, 0)"], "unbinder": ["unbind()"]}, prefault=False)
    failure = search(of, kernel("refcount-1"), Goal(kind, place), DEEP)
    assert failure is not None
    goals = []
    monkeypatch.setattr(attribute, "search", lambda of, on, goal, *how: goals.append(goal))
    narrow_flaw(failure, "fix-fault-holds-device", hints_of(failure))
    assert set(goals) == {Goal(kind, place)}


def test_the_cause_of_what_shows_in_spite_of_all_repairs_is_unknown(broken) -> None:
    found = cause(failing(GET_AND_PUT, broken, "leak"), [])
    assert found is not None
    repair, alone = found
    assert repair == ""
    assert alone.kernel.repairs() == {}


def test_a_case_keeps_no_more_repairs_than_tell_its_flaw_from_others() -> None:
    target = kernel("refcount-1")
    only = all_but(("fix-skip-locked",), target.repairs())
    alone = minimize(failing(TWO_FLAWS, target.plus(only), "freed-while-pinned"))
    # The minimum has only this flaw; the whole program has two.
    assert with_fewer_patches(alone, target, ("fix-skip-locked",)).failure.kernel == target
    whole = without_switches(failing(TWO_FLAWS, target.plus(only), "freed-while-pinned"))
    kept = with_fewer_patches(whole, target, ("fix-skip-locked",))
    assert kept.preemptions <= whole.preemptions
    # Without the second repair, whichever it is, it would take one preemption more.
    patches = kept.failure.kernel.spec.patches
    assert "fix-mapping-mapped" in patches
    assert len(patches) <= 2 < len(only)


def execution(violation: Violation | None, *deferred: Violation) -> Execution:
    return Execution([], [], violation, list(deferred), (), False)


def test_a_verdict_is_what_ended_the_execution_else_a_warning_else_the_first_thing_deferred() -> None:
    graver, order, warning, other = (
        Violation(kind, "") for kind in ("deadlock", "lock-order", "kernel-warning", "lock-order")
    )
    assert verdict(execution(graver, order, warning)) is graver
    assert verdict(execution(None, order, warning, other)) is warning
    assert verdict(execution(None, order, other)) is order
    assert verdict(execution(None)) is None


def test_a_failure_whose_trace_is_another_on_trio_is_not_reported() -> None:
    failure = failing(FLAWS["F-01"].program, kernel("pin-wait"), "freed-while-referenced")
    assert confirm(failure).digest() == failure.execution.digest()
    forged = replace(failure.execution, turns=failure.execution.turns[:-1])
    with pytest.raises(NotReproduced):
        confirm(replace(failure, execution=forged))
