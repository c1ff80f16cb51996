"""Composition of kernels: its rules, patches 01 to 03, and what each repair is for."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from itertools import combinations
from typing import Any, ClassVar

import pytest
from protocol_kit import assert_same_traces, found_kinds, kinds

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.mm import Mm, Pte
from daxfuzz.kernel.page import Page
from daxfuzz.oracles.registry import attach
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.compose import ComposeError, compose
from daxfuzz.protocols.patch import Patch, Repair
from daxfuzz.protocols.registry import PATCHES, PROTOCOLS, UnknownName, build, in_order, protocol
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.shared_idle import FixSharedIdle
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.zapped_for_ever import FixZappedForEver
from daxfuzz.protocols.series_v1 import SERIES_V1, RenameBusyPageToPinnedPage, UsePageMaybeDmaPinned
from daxfuzz.protocols.series_v3.flaws import V3_FLAWS
from daxfuzz.search import bounded_runs
from daxfuzz.sim import Scheduler, Stepper

RENAME, PINNED, DELETE = SERIES_V1[:3]


# -- the rules -----------------------------------------------------------------------------------------------------


class NoSuchSubsystem(Patch):
    class daxx(Dax):
        pass


class WrongBase(Patch):
    class gup(Dax):
        pass


class Typo(Patch):
    class dax(Dax):
        def page_bussy(self, refcount: int) -> bool:
            return False


class AddsWhatItLacks(Patch):
    adds: ClassVar = {"dax": ("nothing_there",)}

    class dax(Dax):
        pass


class AddsWhatExists(Patch):
    adds: ClassVar = {"dax": ("page_busy",)}

    class dax(Dax):
        def page_busy(self, refcount: int) -> bool:
            return False


class OtherParameters(Patch):
    class dax(Dax):
        def page_busy(self, count: int) -> bool:  # type: ignore[override]
            return False


class SilentOverride(Patch):
    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: Foll) -> None:
            return None


class Declared(Patch):
    replaces: ClassVar = (UsePageMaybeDmaPinned,)

    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: Foll) -> None:
            return None


class Derived(Patch):
    class gup(UsePageMaybeDmaPinned.gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: Foll) -> None:
            return None


class CallsSuper(Patch):
    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: Foll) -> None:
            await super().gup_put_folio(folio, refs, flags)


class PullsPinnedForward(Patch):
    class gup(UsePageMaybeDmaPinned.gup):
        async def pte_unchanged(self, mm: Mm, address: int, pte: Pte) -> bool:
            return await super().pte_unchanged(mm, address, pte)


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ([NoSuchSubsystem], "no-such-subsystem: no subsystem daxx; there are cow, dax, "),
        ([WrongBase], "wrong-base: hunk gup does not derive from Gup"),
        ([Typo], "typo: dax.page_bussy overrides nothing; list it in adds if it is new"),
        ([AddsWhatItLacks], "adds-what-it-lacks: adds dax.nothing_there, which the hunk does not define"),
        ([AddsWhatExists], "adds-what-exists: adds dax.page_busy, which exists"),
        ([OtherParameters], "other-parameters: dax.page_busy(self, count: 'int') -> 'bool' changes the parameters of "),
        ([PINNED, SilentOverride], "silent-override: gup.gup_put_folio overrides what use-page-maybe-dma-pinned did; "),
        ([Derived], "derived: gup builds on UsePageMaybeDmaPinned.gup, which is not applied before it"),
        ([Derived, PINNED], "derived: gup builds on UsePageMaybeDmaPinned.gup, which is not applied before it"),
        (
            [PINNED, CallsSuper, PullsPinnedForward],
            "gup: gup_put_folio of CallsSuper.gup is lost behind ",
        ),
        ([RENAME, PINNED, RENAME], "rename-busy-page-to-pinned-page is applied twice"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(patches, message) -> None:
    with pytest.raises(ComposeError) as error:
        compose(patches)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("patch", [Declared, Derived, CallsSuper])
def test_an_override_of_an_override_is_allowed_when_it_is_meant(patch) -> None:
    composed = compose([PINNED, patch])
    assert composed.subsystems["gup"].gup_put_folio is patch.gup.gup_put_folio


def test_a_hunk_pulled_forward_harms_nobody_who_changes_something_else() -> None:
    composed = compose([PINNED, PullsPinnedForward, CallsSuper])
    assert composed.subsystems["gup"].gup_put_folio is CallsSuper.gup.gup_put_folio
    assert composed.subsystems["gup"].pte_unchanged is PullsPinnedForward.gup.pte_unchanged


def test_nothing_is_the_base() -> None:
    assert compose([]).subsystems == SUBSYSTEMS


def test_later_hunks_come_first_and_super_reaches_the_earlier_ones() -> None:
    cls = compose([PINNED, CallsSuper]).subsystems["gup"]
    names = [each.__qualname__ for each in cls.__mro__[1:-2]]
    assert names == ["CallsSuper.gup", "UsePageMaybeDmaPinned.gup", "Gup"]


EVERY_PREFIX = [f"series-v1:{count}" for count in range(len(SERIES_V1) + 1)]


GENERATIONS = [name for name in PROTOCOLS if not name.endswith("-fixed")]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_repairs_compose_alone_in_pairs_and_all_together_named_in_any_order(generation) -> None:
    names = [repair.slug() for repair in protocol(generation).repairs]
    for name in names:
        build(generation, (name,))
    for one, other in combinations(names, 2):
        assert build(generation, (one, other)) is build(generation, (other, one))
    for seed in range(10):
        shuffled = tuple(random.Random(seed).sample(names, len(names)))
        assert build(generation, shuffled).patches == protocol(f"{generation}-fixed").patches


def test_no_repair_passes_a_patch_that_is_none() -> None:
    late, early = FixSharedIdle, FixZappedForEver
    assert list(in_order([late, early], V3_FLAWS)) == [early, late]
    assert list(in_order([late, CallsSuper, early], V3_FLAWS)) == [late, CallsSuper, early]


@pytest.mark.parametrize("generation", [*GENERATIONS, *EVERY_PREFIX])
def test_the_fixed_form_minus_any_one_repair_composes(generation) -> None:
    fixed = protocol(f"{generation}-fixed").patches
    assert fixed == (*protocol(generation).patches, *protocol(generation).repairs)
    compose(fixed)
    for repair in protocol(generation).repairs:
        compose([patch for patch in fixed if patch is not repair])


def test_every_prefix_of_the_series_is_a_protocol() -> None:
    for count, name in enumerate(EVERY_PREFIX):
        assert protocol(name).patches == SERIES_V1[:count]
    assert protocol("series-v1:0").repairs == protocol("refcount-1").repairs
    assert protocol("series-v1:3").patches == protocol("pin-wait").patches
    assert protocol("series-v1:3").repairs == protocol("pin-wait").repairs
    assert protocol("series-v1:13").patches == protocol("series-v1").patches
    with pytest.raises(UnknownName, match="patches 1 to 13, not 14"):
        protocol("series-v1:14")
    with pytest.raises(UnknownName, match="did you mean pin-wait"):
        protocol("pin-wai")


def test_a_prefix_has_the_repairs_of_its_flaws_only() -> None:
    flaws = {name: {repair.flaw for repair in protocol(name).repairs} for name in EVERY_PREFIX}
    assert "F-01" not in flaws["series-v1:1"]
    assert "F-01" in flaws["series-v1:2"]
    assert "F-20" not in flaws["series-v1:6"]
    assert "F-20" in flaws["series-v1:7"]


def test_each_flaw_has_a_number_of_its_own_with_which_its_repair_begins() -> None:
    repairs = [each for each in PATCHES.values() if issubclass(each, Repair)]
    for repair in repairs:
        assert re.fullmatch(r"[FNC]-\d\d\d?[a-z]?", repair.flaw)
        assert re.match(rf"{repair.flaw}\b", sys.modules[repair.__module__].__doc__ or ""), repair
    shared = {flaw for flaw, times in Counter(repair.flaw for repair in repairs).items() if times > 1}
    # What is left of a removed device needs another repair in each generation; reclaim takes an inode in two ways.
    assert shared == {"F-23", "F-31"}


# -- running programs ----------------------------------------------------------------------------------------------


def simulate(tasks: dict[str, list[str]], name: str, patches: tuple[str, ...] = (), **setup: Any) -> Simulation:
    machine = setup.pop("machine", Machine(bias=4, wait_buckets=2))
    calls = {task: tuple(parse_call(call) for call in body) for task, body in tasks.items()}
    program = Program(calls, Setup(setup.get("files", {"file0": 1}), setup.get("mms", {})), machine)
    sim = Simulation(program, build(name, patches).subsystems, "ext4")
    attach(sim)
    return sim


class InOrder(Scheduler):
    """Runs tasks in the given order, each until it blocks or ends; a task named again goes on."""

    def __init__(self, sim: Simulation, *names: str) -> None:
        self.indices = [sim.task(name).index for name in names]

    def next_task(self, enabled: Any, current: int) -> int:
        while len(self.indices) > 1 and self.indices[0] not in enabled:
            self.indices.pop(0)
        return self.indices[0] if self.indices[0] in enabled else enabled[0]


def test_patch_01_changes_no_trace() -> None:
    before, after = build("refcount-1", ()), build("series-v1:1", ())
    assert after.renames
    assert after.patches == (RenameBusyPageToPinnedPage,)
    assert_same_traces(before, after, programs=100, seeds=20)


# -- the distinguishing runs of patch 02 -----------------------------------------------------------------------------


def test_02a_a_get_is_no_longer_waited_for() -> None:
    tasks = {"p": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"], "t": ["truncate(file0, 0)"]}
    outcomes = {}
    for name in ("refcount-1", "series-v1:2", "pin-wait"):
        sim = simulate(tasks, name)
        outcomes[name] = found_kinds(sim)
    assert outcomes == {
        "refcount-1": set(),
        "series-v1:2": {"freed-while-referenced"},
        "pin-wait": {"freed-while-referenced"},
    }


GETS = [f"r{i} = get_user_pages_fast(file0, 0)" for i in range(3)]
PUTS = [f"put_page(r{i})" for i in range(3)]


@pytest.mark.parametrize(
    ("name", "kind"), [("refcount-1", []), ("series-v1:2", ["lost-wakeup"]), ("pin-wait", ["lost-wakeup"])]
)
def test_02b_many_gets_look_like_a_pin_and_their_end_wakes_nobody(name, kind) -> None:
    sim = simulate({"p": [*GETS, *PUTS], "t": ["truncate(file0, 0)"]}, name)

    class Late(Scheduler):
        """The truncator comes when all references are taken."""

        def next_task(self, enabled: Any, current: int) -> int:
            late = len(sim.results[0]) >= len(GETS)
            return enabled[-1] if late else enabled[0]

    execution = Stepper(sim.world).run(Late())
    assert kinds(execution) == kind
    assert sim.results[1] == ([] if kind else [0])


@pytest.mark.parametrize("name", ["refcount-1", "series-v1:2", "pin-wait"])
def test_02c_one_pin_is_waited_for_as_before(name) -> None:
    tasks = {"p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t": ["truncate(file0, 0)"]}
    assert found_kinds(simulate(tasks, name)) == set()


def test_02c_the_wake_has_another_key_and_comes_after_every_release_of_a_pin() -> None:
    tasks = {
        "p": ["r0 = pin_user_pages(file0, 0)", "r1 = get_user_pages(file0, 0)", "unpin_user_pages(r0)", "put_page(r1)"]
    }
    wakes = {}
    for name in ("refcount-1", "series-v1:2", "pin-wait"):
        sim = simulate(tasks, name)
        execution = Stepper(sim.world).run(Scheduler())
        points = [repr(step.point) for step in execution.steps()]
        wakes[name] = [i for i, point in enumerate(points) if point.startswith("var_waitqueue")]
        page = sim.kernel.pages[0]
        address = sim.kernel.dax.idle_address(page)
        assert address == (page.refcount_address if name == "refcount-1" else page.address)
    # v6.0 looks for waiters once, at 1; 02 after the unpin and, on the old key, at 1; 03 only after the unpin.
    assert [len(wakes[name]) for name in wakes] == [1, 2, 1]
    assert wakes["refcount-1"][0] > wakes["pin-wait"][0]


@pytest.mark.parametrize(("name", "kind"), [("refcount-1", []), ("pin-wait", ["freed-while-referenced"])])
def test_02e_a_get_beside_a_pin_is_not_waited_for(name, kind) -> None:
    tasks = {
        "p": ["r0 = pin_user_pages(file0, 0)"],
        "g": ["r0 = get_user_pages(file0, 0)"],
        "t": ["truncate(file0, 0)"],
        "q": ["load(file0, 0)"],
    }
    # The task that pins lets go only after the truncator has fallen asleep.
    tasks["p"].append("unpin_user_pages(r0)")
    sim = simulate(tasks, name)

    class Script(Scheduler):
        def next_task(self, enabled: Any, current: int) -> int:
            for index, done in ((0, 1), (1, 1)):
                if index in enabled and len(sim.results[index]) < done:
                    return index
            return 2 if 2 in enabled else enabled[0]

    execution = Stepper(sim.world).run(Script())
    assert kinds(execution) == kind
    assert execution.stuck == (() if kind else (2,))


def test_03_a_put_looks_for_no_waiter() -> None:
    tasks = {"p": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"]}
    looks = {}
    for name in ("refcount-1", "series-v1:2", "pin-wait"):
        execution = Stepper(simulate(tasks, name).world).run(Scheduler())
        looks[name] = sum(repr(step.point).startswith("var_waitqueue") for step in execution.steps())
    assert looks == {"refcount-1": 1, "series-v1:2": 1, "pin-wait": 0}


def test_03_does_nothing_to_the_release_of_pins() -> None:
    assert compose(SERIES_V1).subsystems["gup"] is not Gup
    assert set(vars(DELETE.memremap)) & set(vars(Memremap)) >= {"put_devmap_managed_page_refs"}
    traces = set()
    for name in ("series-v1:2", "pin-wait"):
        sim = simulate({"p": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]}, name)
        traces.add(Stepper(sim.world).run(Scheduler()).digest())
    assert len(traces) == 1


# -- repairs ---------------------------------------------------------------------------------------------------------

MAPPED_ONCE = {
    "p": ["r0 = pin_user_pages(file0, 0)", "munmap(file0)", "unpin_user_pages(r0)"],
    "t": ["truncate(file0, 0)"],
}
LOCKED = {"p": ["r0 = pin_user_pages(file0, 0)"], "w": ["fsync(file0)"], "t": ["truncate(file0, 0)"]}
UNLINKED = {"u": ["load(file0, 0)"], "m": ["munmap(file0)"], "t": ["truncate(file0, 0)"]}
GET = {"p": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"], "t": ["truncate(file0, 0)"]}
PIN_AND_GETS = {
    "p": [
        "r0 = pin_user_pages_fast(file0, 0)",
        *(f"r{i} = get_user_pages_fast(file0, 0)" for i in (1, 2, 3)),
        "unpin_user_pages(r0)",
        *(f"put_page(r{i})" for i in (1, 2, 3)),
    ],
    "t": ["truncate(file0, 0)"],
}

REPAIRS = [
    ("refcount-1", "fix-mapping-mapped", MAPPED_ONCE, {}, "freed-while-pinned"),
    ("pin-wait", "fix-mapping-mapped", MAPPED_ONCE, {}, "freed-while-pinned"),
    ("refcount-1", "fix-skip-locked", LOCKED, {}, "freed-while-pinned"),
    ("pin-wait", "fix-skip-locked", LOCKED, {}, "freed-while-pinned"),
    ("refcount-1", "fix-flush-before-unlink", UNLINKED, {"mms": {"mm0": ("u", "m"), "mm1": ("t",)}}, "stale-tlb"),
    ("pin-wait", "fix-flush-before-unlink", UNLINKED, {"mms": {"mm0": ("u", "m"), "mm1": ("t",)}}, "stale-tlb"),
    ("pin-wait", "fix-idle-on-refcount", GET, {}, "freed-while-referenced"),
]


@pytest.mark.parametrize(
    ("name", "repair", "tasks", "setup", "kind"), REPAIRS, ids=[f"{name}-{repair}" for name, repair, *_ in REPAIRS]
)
def test_a_repair_silences_its_flaw_and_is_needed_for_it(name, repair, tasks, setup, kind) -> None:
    # Freed under a pin, the page also warns; and truncation of a file that is not mapped shows both flaws.
    assert kind in found_kinds(simulate(tasks, name, **setup))
    assert found_kinds(simulate(tasks, name, (repair,), **setup)) == set()
    assert found_kinds(simulate(tasks, f"{name}-fixed", **setup)) == set()
    others = tuple(other.slug() for other in protocol(name).repairs if other.slug() != repair)
    assert kind in found_kinds(simulate(tasks, name, others, **setup))


@pytest.mark.parametrize(
    ("repairs", "left"),
    [
        ((), {"lost-wakeup", "freed-while-referenced"}),
        (("fix-wake-on-threshold",), {"freed-while-referenced"}),
        (("fix-idle-on-refcount",), set()),
        (("fix-wake-on-threshold", "fix-idle-on-refcount"), set()),
        (("fix-idle-on-refcount", "fix-wake-on-threshold"), set()),
    ],
)
@pytest.mark.parametrize("tasks", [{"p": [*GETS, *PUTS], "t": ["truncate(file0, 0)"]}, PIN_AND_GETS])
def test_the_repairs_of_f01_and_f02_apart_and_together(repairs, left, tasks) -> None:
    assert found_kinds(simulate(tasks, "pin-wait", repairs)) == left


def test_the_wider_repair_supersedes_the_narrower_one() -> None:
    assert FixIdleOnRefcount.supersedes == (FixWakeOnThreshold,)


BENIGN: list[dict[str, list[str]]] = [
    {"p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t": ["truncate(file0, 0)"]},
    {"u": ["store(file0, 0)", "load(file0, 0)"], "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]},
    {"u": ["store(file0, 0)"], "w": ["fsync(file0)"]},
    {"m": ["munmap(file0)", "mmap(file0)"], "u": ["load(file0, 0)"]},
]


def outcomes(sim: Simulation) -> set[object]:
    """Final states over all schedules with at most one preemption."""
    found = set()
    for one in bounded_runs(sim.world, 20_000, 1, 3_000):
        assert kinds(one.execution) == []
        kernel = sim.kernel
        found.add(
            (
                str(sim.results),
                one.execution.stuck,
                tuple(kernel.allocator.table),
                tuple(page.refcount.value for page in kernel.pages),
                str(kernel.inodes["file0"].i_mapping.i_pages.entries),
            )
        )
    return found


@pytest.mark.parametrize("tasks", BENIGN, ids=lambda tasks: " ".join(tasks))
@pytest.mark.parametrize("name", ["refcount-1", "pin-wait"])
def test_a_repair_changes_no_outcome_of_programs_without_the_flaw(name, tasks) -> None:
    wanted = outcomes(simulate(tasks, name))
    for repair in protocol(name).repairs:
        assert outcomes(simulate(tasks, name, (repair.slug(),))) == wanted
    assert outcomes(simulate(tasks, f"{name}-fixed")) == wanted


def test_f03_the_re_check_covers_order_0_pages_in_every_protocol() -> None:
    tasks = {"p": ["r0 = pin_user_pages_fast(file0, 0)"], "t": ["truncate(file0, 0)"]}
    for name in ("refcount-1", "series-v1:2", "pin-wait"):
        for tlb in TlbMode:
            assert found_kinds(simulate(tasks, name, machine=Machine(bias=4, tlb=tlb)), preemptions=2) == set()
