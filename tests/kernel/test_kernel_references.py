"""References: what GUP adds and what a release takes back."""

from __future__ import annotations

import pytest
from kernel_kit import add_task, run, simulate

from daxfuzz.kernel.memory import Fault
from daxfuzz.kernel.mm import Pte
from daxfuzz.sim import Scheduler, Stepper

TAKES = ["get_user_pages", "get_user_pages_fast", "pin_user_pages", "pin_user_pages_fast"]
PROTOCOLS = ["refcount-1", "series-v1:2", "pin-wait"]


def release(take: str) -> str:
    return "unpin_user_pages(r0)" if take.startswith("pin") else "put_page(r0)"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("take", TAKES)
def test_a_get_counts_one_and_a_pin_counts_the_bias(protocol, take) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)"]}, protocol)
    run(sim)
    assert sim.results == [[0]]
    assert sim.kernel.pages[0].refcount.value == 1 + (8 if take.startswith("pin") else 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("take", TAKES)
def test_the_release_leaves_the_page_idle_and_no_page_map_reference(protocol, take) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)", release(take)]}, protocol)
    run(sim)
    assert sim.results == [[0, 0]]
    assert sim.kernel.pages[0].refcount.value == 1
    assert sim.kernel.pgmap.ref.count == len(sim.kernel.pages) + 1


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize(
    ("before", "error"),
    [("munmap(file0)", -14), ("truncate(file0, 0)", -14)],
    ids=["unmapped", "beyond the end of the file"],
)
def test_gup_fails_where_there_is_nothing_to_map(take, before, error) -> None:
    sim = simulate({"a": [before, f"r0 = {take}(file0, 0)"]})
    run(sim)
    assert sim.results == [[0, error]]
    assert sim.registers == [{}]


@pytest.mark.parametrize("take", ["pin_user_pages", "pin_user_pages_fast"])
def test_longterm_pins_are_refused(take) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0, FOLL_LONGTERM)"]})
    run(sim)
    assert sim.results == [[-95]]
    assert sim.kernel.pages[0].refcount.value == 1


@pytest.mark.parametrize("take", TAKES)
def test_gup_of_a_hole_faults_a_block_in(take) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)"]}, prefault=False)
    run(sim)
    assert sim.results == [[0]]
    assert sim.kernel.mms[0].slots[0].value == Pte(0, write=True, dirty=True)


def test_the_slow_path_ends_when_the_task_is_killed() -> None:
    sim = simulate({"a": ["r0 = pin_user_pages(file0, 0)", "load(file0, 0)"], "b": ["signal(a, SIGKILL)"]})
    run(sim, ("a", "find_vma.read"), ("b", ""), ("a", ""))
    assert sim.results == [[-4], [0]]
    assert sim.kernel.pages[0].refcount.value == 1


def test_the_fast_path_pins_even_if_the_task_is_killed() -> None:
    sim = simulate({"a": ["r0 = pin_user_pages_fast(file0, 0)"], "b": ["signal(a, SIGKILL)"]})
    run(sim, ("b", ""), ("a", ""))
    assert sim.results == [[0], [0]]


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        (None, Pte(1), Pte(1)),
        (Pte(1), Pte(1), Pte(1)),
        (Pte(1), Pte(1, write=True, dirty=True), Pte(1, write=True, dirty=True)),
        (Pte(1, write=True, dirty=True), Pte(1), Pte(1, write=True, dirty=True)),
        (Pte(0, zero=True), Pte(0, write=True, dirty=True), Pte(0, zero=True)),
        (Pte(1), Pte(0, write=True, dirty=True), Pte(1)),
    ],
)
def test_insert_pfn(old, new, left) -> None:
    sim = simulate({"a": ["load(file0, 0)"]}, prefault=False)
    mm = sim.kernel.mms[0]
    mm.slots[0].value = old
    sim.world.seal()
    warnings = []
    sim.kernel.on_warn = lambda message, page: warnings.append(message)
    vma = mm.vmas.value[0]
    vmf = Fault(vma, 0, new.write)
    add_task(sim, "faulter", lambda: sim.kernel.memory.vmf_insert_mixed(vmf, new))
    found = []
    run(sim, ("faulter", ""), lambda: found.append(mm.slots[0].value))
    assert found == [left]
    mismatch = old == Pte(1) and new.pfn == 0
    assert warnings == (["insert_pfn: another page is mapped here"] if mismatch else [])


@pytest.mark.parametrize(("protocol", "warns"), [("refcount-1", False), ("series-v1:2", False), ("pin-wait", True)])
def test_one_put_too_many_warns_since_patch_03(protocol, warns) -> None:
    sim = simulate({"a": []}, protocol)
    warnings = []
    sim.kernel.on_warn = lambda message, page: warnings.append((message, page))
    page = sim.kernel.pages[0]
    add_task(sim, "b", lambda: sim.kernel.memremap.put_page(page))
    Stepper(sim.world).run(Scheduler())
    assert page.refcount.value == 0
    assert warnings == ([("free_zone_device_page: no page_free operation", page)] if warns else [])
