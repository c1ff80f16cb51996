"""Patches 04 to 13 of the series, its third version, and the flaws of both that their repairs silence."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from kernel_kit import Steered, add_task, run
from protocol_kit import assert_same_traces, found_kinds

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.oracles.registry import attach
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build, protocol
from daxfuzz.sim import Execution, Scheduler, Stepper

IPI = Machine(bias=8)
BROADCAST = Machine(bias=8, tlb=TlbMode.BROADCAST)

SLOW_PIN = ["r0 = pin_user_pages(file0, 1)", "unpin_user_pages(r0)"]


def simulate(
    tasks: dict[str, list[str]],
    name: str,
    patches: tuple[str, ...] = (),
    machine: Machine = IPI,
    observed: bool = True,
    filesystem: str = "ext4",
    **setup: Any,
) -> Simulation:
    calls = {task: tuple(parse_call(call) for call in body) for task, body in tasks.items()}
    setup.setdefault("files", {"file0": 1})
    sim = Simulation(Program(calls, Setup(**setup), machine), build(name, patches).subsystems, filesystem)
    if observed:
        attach(sim)
    return sim


def all_but(name: str, flaw: str) -> tuple[str, ...]:
    """Every repair of a protocol except those of a flaw."""
    repairs = protocol(name).repairs
    assert any(repair.flaw == flaw for repair in repairs)
    return tuple(repair.slug() for repair in repairs if repair.flaw != flaw)


def straight(sim: Simulation) -> Execution:
    return Stepper(sim.world).run(Scheduler(), 3_000)


# -- patches 04 to 10 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [4, 6, 8, 9])
def test_what_only_moves_code_changes_no_trace(number) -> None:
    before, after = (build(f"series-v1:{count}", ()) for count in (number - 1, number))
    assert_same_traces(before, after, programs=40, seeds=10)


@pytest.mark.parametrize(("name", "indices"), [("series-v1:4", [0, 1]), ("series-v1:5", [2, 3]), ("series-v3", [2, 3])])
def test_05_a_fault_inside_a_pmd_associates_the_pages_behind_it(name, indices) -> None:
    sim = simulate({"m": ["store(file0, 1)"]}, name, observed=False, files={"file0": 2}, prefault=False)
    straight(sim)
    assert [page.index.value for page in sim.kernel.pages[:2]] == indices


@pytest.mark.parametrize("name", ["series-v1:5", "series-v1", "series-v3"])
def test_05_rounding_down_is_the_repair(name) -> None:
    tasks = {"m": ["store(file0, 1)"]}
    setup: dict[str, Any] = {"files": {"file0": 2}, "prefault": False}
    assert found_kinds(simulate(tasks, name, all_but(name, "N-65"), **setup)) == {"association"}
    assert found_kinds(simulate(tasks, f"{name}-fixed", **setup)) == set()


@pytest.mark.parametrize(
    ("name", "counts"),
    [("series-v1:6", [4, 4, 4]), ("series-v1:7", [4, 6, 4]), ("series-v3", [1, 3, 1])],
)
def test_07_an_entry_holds_the_page_map_once_a_page(name, counts) -> None:
    sim = simulate(
        {"m": ["store(file0, 0)", "store(file0, 1)"], "t": ["truncate(file0, 0)"]},
        name,
        observed=False,
        files={"file0": 2},
        prefault=False,
    )
    seen = [sim.kernel.pgmap.ref.count]

    def look() -> None:
        seen.append(sim.kernel.pgmap.ref.count)

    run(sim, ("m", ""), look, ("t", ""), look)
    assert seen == counts


@pytest.mark.parametrize("name", ["series-v1:7", "series-v1", "series-v3"])
def test_07_a_prefaulted_file_holds_it_as_a_faulted_one(name) -> None:
    sim = simulate({"m": ["load(file0, 0)"]}, name, files={"file0": 2})
    entries = sim.kernel.inodes["file0"].i_mapping.i_pages.entries.values()
    counts = [page.refcount.value for page in sim.kernel.pages[: sim.kernel.device_pages]]
    assert sim.kernel.pgmap.ref.count == sim.kernel.memremap.pgmap_references(entries, counts)


def unbind(sim: Simulation) -> None:
    add_task(sim, "unbind", lambda: sim.kernel.memremap.memunmap_pages(sim.kernel.pgmap))


def kill(sim: Simulation) -> None:
    add_task(sim, "unbind", sim.kernel.pgmap.ref.kill)


@pytest.mark.parametrize(("repairs", "result"), [((), "value"), (("fix-association-failure",), "SIGBUS")])
def test_07_a_fault_on_a_dying_page_map_goes_on_without_references(repairs, result) -> None:
    sim = simulate({"m": ["store(file0, 0)"]}, "series-v1", repairs, observed=False, prefault=False)
    kill(sim)
    before = sim.kernel.pgmap.ref.count
    Stepper(sim.world).run(Steered(("m", "get_dev_pagemap.tryget_live"), ("unbind", ""), ("m", "")), 3_000)
    assert (sim.results[0][0] == "SIGBUS") == (result == "SIGBUS")
    assert sim.kernel.pgmap.ref.count == before - 1
    (entry,) = sim.kernel.inodes["file0"].i_mapping.i_pages.entries.values()
    # With the repair what is left is the empty entry that the fault had locked.
    assert entry.real == (result == "value")


@pytest.mark.parametrize(("repair", "kind"), [((), "use-after-free"), (("fix-wake-without-folio",), None)])
def test_f04_an_unpin_that_is_late_to_wake_reads_a_page_that_is_gone(repair, kind) -> None:
    tasks = {"p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t": ["truncate(file0, 0)"]}
    sim = simulate(tasks, "pin-wait", repair, observed=False)
    unbind(sim)
    late = "gup_put_folio.active" if repair else "wakeup_fsdax_pin_waiters.read"
    execution = Stepper(sim.world).run(Steered(("p", late), ("t", ""), ("unbind", ""), ("p", "")), 3_000)
    assert (execution.violation.kind if execution.violation else None) == kind


@pytest.mark.parametrize(("name", "keys"), [("series-v1:11", 4), ("series-v1:11-fixed", 1), ("series-v3-fixed", 1)])
def test_f17_a_pud_entry_has_as_many_wait_keys_as_indices(name, keys) -> None:
    sim = simulate({"m": ["load(file0, 0)"]}, name, files={"file0": IPI.pud_pages})
    mapping = sim.kernel.inodes["file0"].i_mapping
    entry = Entry(0, pud=True)
    assert IPI.pud_pages == 4
    found = {sim.kernel.dax.dax_entry_waitqueue(mapping, index, entry)[1] for index in range(IPI.pud_pages)}
    assert len(found) == keys


# -- patch 13 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("take", ["pin_user_pages", "pin_user_pages_fast"])
@pytest.mark.parametrize(("name", "got"), [("series-v1:12", False), ("series-v1", True)])
def test_13_gup_does_not_ask_the_page_map(take, name, got) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)"]}, name, observed=False)
    kill(sim)
    execution = Stepper(sim.world).run(Steered(("unbind", ""), ("a", "")), 2_000)
    assert execution.exhausted != got
    assert sim.results == ([[0]] if got else [[]])


@pytest.mark.parametrize("name", ["series-v1", "series-v3"])
def test_n51_the_slow_path_pins_the_first_page_for_the_second(name) -> None:
    setup: dict[str, Any] = {"files": {"file0": 2}, "huge": True}
    sim = simulate({"p": SLOW_PIN[:1]}, name, observed=False, **setup)
    straight(sim)
    idle = sim.kernel.dax.idle_refcount() + (1 if name == "series-v3" else 0)
    assert [page.refcount.value - idle for page in sim.kernel.pages[:2]] == [IPI.bias, 0]
    assert [reference.page.pfn for reference in sim.registers[0]["r0"]] == [1]
    assert found_kinds(simulate({"p": SLOW_PIN}, name, all_but(name, "N-51"), **setup))
    assert found_kinds(simulate({"p": SLOW_PIN}, f"{name}-fixed", **setup)) == set()
    assert found_kinds(simulate({"p": SLOW_PIN}, "series-v1:12-fixed", **setup)) == set()


@pytest.mark.parametrize("name", ["series-v1", "series-v3"])
def test_n52_the_slow_path_takes_a_page_table_for_a_huge_page(name) -> None:
    tasks = {"p": SLOW_PIN[:1], "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"], "f": ["load(file0, 1)"]}
    steered = [("p", "follow_pmd_mask.lock"), ("t", ""), ("f", ""), ("p", "")]
    setup: dict[str, Any] = {"files": {"file0": 2}, "huge": True, "mms": {"mm0": ("p", "f"), "mm1": ("t",)}}
    found = []
    for kernel in ((name, all_but(name, "N-52")), (f"{name}-fixed", ())):
        sim = simulate(tasks, *kernel, **setup)
        found.append(Stepper(sim.world).run(Steered(*steered), 3_000).violation)
    assert found[0] is not None
    assert "a page table is taken for a huge page" in found[0].message
    assert found[1] is None


LATE_GRAB = {"p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t": ["truncate(file0, 0)"]}


@pytest.mark.parametrize(("name", "also"), [("series-v1", ""), ("series-v3", "fix-lockless-huge-grab")])
def test_f18_pages_of_a_pmd_that_has_gone_stay_pinned(name, also) -> None:
    setup: dict[str, Any] = {"files": {"file0": 2}, "huge": True, "machine": BROADCAST}
    # In v3 a late grab finds a count of 0, which F-38 alone lets it take.
    repairs = tuple(each for each in all_but(name, "F-18") if each != also)
    assert "freed-while-pinned" in found_kinds(simulate(LATE_GRAB, name, repairs, **setup), 2)
    assert found_kinds(simulate(LATE_GRAB, f"{name}-fixed", **setup), 2) == set()


def test_f38_a_lockless_grab_revives_an_idle_page() -> None:
    setup: dict[str, Any] = {"files": {"file0": 2}, "huge": True, "machine": BROADCAST}
    assert found_kinds(simulate(LATE_GRAB, "series-v3", all_but("series-v3", "F-38"), **setup), 2)
    assert found_kinds(simulate(LATE_GRAB, "series-v3-fixed", **setup), 2) == set()


# -- the third version -------------------------------------------------------------------------------------------


def test_v3_an_entry_holds_its_page_until_it_is_zapped() -> None:
    sim = simulate({"m": ["store(file0, 0)"], "t": ["truncate(file0, 0)"]}, "series-v3-fixed", prefault=False)
    counts = []

    def look() -> None:
        counts.append(sim.kernel.pages[0].refcount.value)

    Stepper(sim.world).run(Steered(look, ("m", ""), look, ("t", "dax_delete_mapping_entry.read"), look), 3_000)
    assert counts == [0, 1, 0]
    assert sim.results[1] == [0]


@pytest.mark.parametrize("release", ["unpin_user_pages", "put_page"])
def test_v3_waits_for_every_reference_and_memunmap_does_too(release) -> None:
    take = "pin_user_pages" if release == "unpin_user_pages" else "get_user_pages"
    sim = simulate({"p": [f"r0 = {take}(file0, 0)", f"{release}(r0)"], "t": ["truncate(file0, 0)"]}, "series-v3-fixed")
    assert found_kinds(sim) == set()
    tasks = {"p": [f"r0 = {take}(file0, 0)"], "t": ["truncate(file0, 0)"], "u": ["unbind()"]}
    sim = simulate(tasks, "series-v3-fixed", observed=False)
    waits = []
    steered = Steered(("p", ""), ("t", ""), lambda: waits.append(sim.task("t").asleep), ("u", ""))
    execution = Stepper(sim.world).run(steered, 3_000)
    assert waits == [True]
    # The file of a device that goes away has no busy page any more; the reference still holds up the page map.
    assert execution.stuck == (2,)


V3_FLAWS = [
    (
        "N-54",
        {"t": ["truncate(file0, 1)", "r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]},
        {"files": {"file0": 2}},
        0,
        "kernel-warning",
    ),
    ("N-56", {"t": ["truncate(file0, 1)"]}, {"files": {"file0": 2}}, 0, "association"),
]


@pytest.mark.parametrize(("flaw", "tasks", "setup", "preemptions", "kind"), V3_FLAWS, ids=[row[0] for row in V3_FLAWS])
def test_a_repair_of_v3_silences_its_flaw(flaw, tasks, setup, preemptions, kind) -> None:
    sim = simulate(tasks, "series-v3", all_but("series-v3", flaw), **setup)
    assert kind in found_kinds(sim, preemptions)
    assert found_kinds(simulate(tasks, "series-v3-fixed", **setup), preemptions + 1) == set()


def test_n53_the_zap_drops_a_reference_that_a_copied_page_never_had() -> None:
    tasks = {"t": ["store(file0, 0)", "truncate(file0, 0)"]}
    setup: dict[str, Any] = {"files": {"file0": 1, "file1": 1}, "clones": {"file1": "file0"}, "prefault": False}
    unrepaired = simulate(tasks, "series-v3", all_but("series-v3", "N-53"), filesystem="xfs", **setup)
    assert "refcount-mismatch" in found_kinds(unrepaired)
    # What v6.0 does wrong with shared blocks is not repaired there.
    assert "refcount-mismatch" not in found_kinds(simulate(tasks, "series-v3-fixed", filesystem="xfs", **setup))


def test_n64_the_entry_of_another_file_is_no_user() -> None:
    """One file is truncated while another one, which shares its block, has it mapped."""
    tasks = {"t": ["load(file0, 0)", "load(file1, 0)", "truncate(file0, 0)"]}
    setup: dict[str, Any] = {"files": {"file0": 1, "file1": 1}, "clones": {"file1": "file0"}, "filesystem": "xfs"}
    unrepaired = simulate(tasks, "series-v3", all_but("series-v3", "N-64"), **setup)
    assert found_kinds(unrepaired) == {"deadlock"}
    assert found_kinds(simulate(tasks, "series-v3-fixed", **setup)) == set()


def test_n64_what_is_deleted_with_a_break_is_durable() -> None:
    tasks = {"t": ["store(file0, 0)", "truncate(file0, 1)", "fsync(file0)"]}
    assert found_kinds(simulate(tasks, "series-v3-fixed", files={"file0": 2}, filesystem="xfs")) == set()


def test_v3_reflink_waits_for_one_reference_of_the_second_file() -> None:
    tasks = {
        "p": ["r0 = get_user_pages(file1, 0)", "put_page(r0)"],
        "c": ["reflink(file0, 0, file1, 0, 1)", "truncate(file1, 0)"],
    }
    # With that repair the entry has a reference, too.
    zaps = all_but("series-v3", "N-64")
    sim = simulate(tasks, "series-v3", zaps, files={"file0": 1, "file1": 1}, filesystem="xfs")
    assert found_kinds(sim) == set()


def test_n54_a_fault_during_the_wait_does_not_prolong_it() -> None:
    tasks = {
        "p": [
            "r0 = pin_user_pages_fast(file0, 0)",
            "r1 = pin_user_pages(file0, 0)",
            "unpin_user_pages(r0)",
            "unpin_user_pages(r1)",
        ],
        "t": ["truncate(file0, 0)"],
    }
    assert found_kinds(simulate(tasks, "series-v3-fixed")) == set()


def test_n55_an_entry_that_the_scan_has_skipped_keeps_its_reference() -> None:
    tasks = {"w": ["fsync(file0)"], "t": ["truncate(file0, 0)"]}
    locked = tuple(each for each in all_but("series-v3", "N-55") if each != "fix-skip-locked")
    assert "leak" in found_kinds(simulate(tasks, "series-v3", locked))
    assert "leak" not in found_kinds(simulate(tasks, "series-v3", (*locked, "fix-deleted-without-zap")))
    assert found_kinds(simulate(tasks, "series-v3-fixed")) == set()


def test_n54_a_reference_that_is_dropped_meanwhile_does_not_make_another_one_the_first() -> None:
    sim = simulate({"m": ["load(file0, 0)"]}, "series-v3-fixed", observed=False)
    kernel = sim.kernel
    page, held = kernel.pages[0], kernel.pgmap.ref.count
    page.refcount.value = 1
    request = kernel.memremap.pgmap_request_folios(kernel.pgmap, page, 1)
    with suppress(StopIteration):
        while True:
            request.send(None)
            if page.refcount.value == 2:
                page.refcount.value = 1
    assert kernel.pgmap.ref.count == held
