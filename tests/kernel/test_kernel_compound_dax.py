"""Character devices that are aligned to a PMD or a PUD: compound pages, huge entries, and the flaws they bring."""

from __future__ import annotations

from random import Random

import pytest
from kernel_kit import IPI, Steered, points, run, simulate

from daxfuzz.kernel.machine import Align
from daxfuzz.kernel.mm import Pte
from daxfuzz.oracles.lookup import leaves
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import PROTOCOLS, patch
from daxfuzz.search import MEMORYLESS, RoundRobin, make_scheduler
from daxfuzz.sim import Stepper
from daxfuzz.triage.bench import verdict

HUGE = [Align.PMD, Align.PUD]
GENERATIONS = [name for name in PROTOCOLS if not name.endswith("-fixed")]


def device(tasks, align, protocol="refcount-1", patches=(), **setup) -> Simulation:
    return simulate(tasks, protocol, patches, filesystem="device-dax", align=align, **setup)


def without(protocol: str, *flaws: str) -> tuple[str, tuple[str, ...]]:
    """A protocol with all its repairs but those of some flaws."""
    return protocol, tuple(each.slug() for each in PROTOCOLS[protocol].repairs if each.flaw not in flaws)


# -- compound pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
def test_a_device_is_made_of_compound_pages_which_hold_its_page_map_once_each(align, protocol) -> None:
    sim = device({"a": ["load(file0, 0)"]}, align, protocol, files={"file0": 3, "file1": 1}, prefault=False)
    size = align.pages(IPI)
    heads = sim.kernel.pages[: sim.kernel.device_pages : size]
    assert sim.kernel.device_pages == 4 + size
    assert [len(inode.extents) for inode in sim.kernel.inodes.values()] == [4, size]
    assert sim.kernel.pgmap.ref.count == 1 + (0 if protocol == "series-v3" else len(heads))
    for page in sim.kernel.pages[: sim.kernel.device_pages]:
        head = heads[page.pfn // size]
        assert page.head.value is head
        assert page.refcount.value == (sim.kernel.dax.idle_refcount() if page is head else 0)


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
def test_a_fault_of_any_page_maps_all_of_them_with_one_entry(align, protocol) -> None:
    sim = device({"a": ["load(file0, 1)", "store(file0, 0)"]}, align, protocol, files={"file0": 4}, prefault=False)
    run(sim)
    assert sim.results == [[0, 1001]]
    assert list(leaves(sim.kernel.mms[0])) == [Pte(0, write=True)]
    assert sim.kernel.pages[1].mapping.value is None
    held = sim.kernel.memory.pte_references()
    assert sim.kernel.pages[0].mapcount.value == held
    assert sim.kernel.pages[0].refcount.value - sim.kernel.dax.idle_refcount() - held == (protocol == "series-v3")


def test_a_fault_of_another_size_is_not_served() -> None:
    sim = device({"a": ["store(file0, 0)"]}, Align.PMD, prefault=False)
    fault = sim.kernel.memory.handle_pte_fault
    sim.kernel.memory.handle_mm_fault = lambda vma, address, write: fault(vma, address, write, False, False)
    run(sim)
    assert sim.results == [["SIGBUS"]]


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
@pytest.mark.parametrize("fast", ["", "_fast"])
def test_a_pin_of_several_pages_counts_on_the_head(fast, align, protocol) -> None:
    calls = [f"r0 = pin_user_pages{fast}(file0, 0, 2)", "r1 = get_user_pages_fast(file0, 1)"]
    sim = device({"a": calls}, align, protocol)
    head, tail = sim.kernel.pages[:2]
    idle = head.refcount.value
    run(sim)
    assert [each.page for each in sim.registers[0]["r0"]] == [head, tail]
    assert [each.page for each in sim.registers[0]["r1"]] == [tail]
    assert (head.refcount.value - idle, head.pincount.value) == (3, 2)
    assert (tail.refcount.value, tail.pincount.value) == (0, 0)


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
def test_a_long_term_pin_of_a_compound_page_is_dropped_in_one_go(align, protocol) -> None:
    pin = "r0 = pin_user_pages_fast(file0, 0, 2, FOLL_LONGTERM)"
    changes = []
    for calls in ([pin], [pin, "unpin_user_pages(r0)"]):
        sim = device({"a": calls}, align, protocol)
        head = sim.kernel.pages[0]
        idle = head.refcount.value
        execution = run(sim)
        assert set(sim.results[0]) == {0}
        changes.append(sum(point.startswith(head.refcount.name) for point in points(execution, 0)))
    assert (head.refcount.value, head.pincount.value) == (idle, 0)
    assert changes[1] == changes[0] + 1


# -- what maps them goes as a whole ------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
@pytest.mark.parametrize("call", ["munmap(file0)", "madvise(file0, MADV_DONTNEED, 1, 1)", "exit()"])
def test_nothing_is_left_of_an_entry_of_which_a_part_goes(call, align, protocol) -> None:
    sim = device({"a": ["store(file0, 0)", call]}, align, protocol)
    entries = sim.kernel.dax.entry_references
    run(sim)
    assert list(leaves(sim.kernel.mms[0])) == []
    assert sim.kernel.mms[0].tlbs[0].lookup(0) is None
    head = sim.kernel.pages[0]
    held = [entries(entry) for entry in sim.kernel.inodes["file0"].i_mapping.i_pages.entries.values()]
    assert head.refcount.value == sim.kernel.dax.idle_refcount() + sum(held)
    assert head.mapcount.value == 0


@pytest.mark.parametrize("align", HUGE)
def test_mremap_takes_the_entry_along(align) -> None:
    sim = device({"a": ["mremap(file0)", "load(file0, 1)"]}, align, files={"file0": 2})
    faults = []
    sim.kernel.memory.handle_mm_fault = lambda *arguments: faults.append(arguments)
    run(sim)
    assert sim.results == [[0, 0]]
    assert faults == []


@pytest.mark.parametrize("protocol", GENERATIONS)
@pytest.mark.parametrize("align", HUGE)
def test_a_device_of_compound_pages_is_removed(align, protocol) -> None:
    sim = device(
        {"a": ["store(file0, 1)", "unbind()", "load(file0, 1)"]}, align, *without(protocol), files={"file0": 4}
    )
    run(sim)
    assert sim.results == [[1000, 0, "SIGBUS"]]
    assert list(leaves(sim.kernel.mms[0])) == []
    assert sim.kernel.pgmap.ref.count == 0


@pytest.mark.parametrize("align", HUGE)
@pytest.mark.parametrize("protocol", ["refcount-1", "refcount-0"])
def test_the_failure_of_a_tail_unmaps_the_compound_page(protocol, align) -> None:
    calls = ["store(file0, 1)", "madvise(file0, MADV_HWPOISON, 1, 1)"]
    sim = device({"a": calls}, align, *without(protocol), prefault=False, files={"file0": 8})
    run(sim)
    assert sim.results == [[1000, 0]]
    assert list(leaves(sim.kernel.mms[0])) == []
    assert [page.hwpoison.value for page in sim.kernel.pages[:2]] == [True, False]


# -- flaws -------------------------------------------------------------------------------------------------------


def test_n140_the_failure_of_a_page_does_not_reach_its_own_mapping() -> None:
    calls = ["store(file0, 1)", "memory_failure(file0, 1)"]
    for patches, left in (((), 1), (("fix-devdax-index",), 0)):
        sim = device({"a": calls}, Align.PMD, patches=patches, prefault=False, files={"file0": 4})
        run(sim)
        assert len(list(leaves(sim.kernel.mms[0]))) == left


FAULTS = {"a": ["store(file0, 0)"], "b": ["store(file0, 1)"]}
AGAIN = ["store(file0, 0)", "munmap(file0)", "mmap(file0)", "store(file0, 1)"]

FLAWS = [
    pytest.param("N-140", "refcount-1", Align.PMD, {"a": ["store(file0, 1)"]}, "association", id="N-140"),
    pytest.param("N-140", "pin-wait", Align.PUD, {"a": ["store(file0, 3)"]}, "association", id="N-140-pud"),
    *(
        pytest.param("F-22", protocol, align, tasks, kind, id=f"F-22-{protocol}-{align}-{len(tasks)}")
        for protocol in ("series-v1", "series-v3")
        for align in HUGE
        for tasks, kind in ((FAULTS, "association"), ({"a": AGAIN}, "association"))
    ),
    *(
        pytest.param("F-17", protocol, Align.PUD, FAULTS, "lost-wakeup", id=f"F-17-{protocol}")
        for protocol in ("series-v1", "series-v3")
    ),
]


def kinds(sim: Simulation, seeds: int = 40) -> set[str]:
    attach(sim)
    host = Stepper(sim.world)
    bound = 200
    found = set()
    for seed in range(seeds):
        for name in MEMORYLESS:
            execution = host.run(make_scheduler(name, Random(seed), bound), 2_000, RoundRobin())
            bound = max(len(execution.turns), 1)
            said = verdict(execution)
            if said is not None:
                found.add(said.kind)
    return found


@pytest.mark.parametrize(("flaw", "protocol", "align", "tasks", "kind"), FLAWS)
def test_each_flaw_is_found_without_its_repair_and_not_with_it(flaw, protocol, align, tasks, kind) -> None:
    tasks = tasks | {"u": ["unbind()"]} if len(tasks) == 1 and "munmap(file0)" in tasks["a"] else tasks
    setup = {"prefault": False, "files": {"file0": 4}}
    assert kind in kinds(device(tasks, align, *without(protocol, flaw), **setup))
    assert kinds(device(tasks, align, *without(protocol), **setup)) == set()


@pytest.mark.parametrize(("patches", "stuck"), [((), (0,)), (("fix-devdax-entry-order",), ())])
def test_n13_the_removal_waits_for_the_reference_of_the_entry_behind_the_busy_one(patches, stuck) -> None:
    sim = device({"a": [*AGAIN, "unbind()"]}, Align.PMD, "series-v3", patches, prefault=False)
    execution = Stepper(sim.world).run(Steered(), 2_000)
    assert execution.violation is None
    assert execution.stuck == stuck
    if stuck:
        first, second = sim.kernel.inodes["file0"].i_mapping.i_pages.entries.values()
        assert (first.zap, second.zap) == (True, False)
        assert points(execution, 0)[-1] == "page0.refcount.read"


MOVES = [(protocol, align) for protocol in ("refcount-1", "series-v3", "refcount-0") for align in HUGE]


@pytest.mark.parametrize(("protocol", "align"), MOVES)
def test_n110_the_removal_passes_an_entry_that_moves(protocol, align) -> None:
    # The repair of N-42 is one of N-110, too.
    either = [(("N-110",), 0), (("N-42",), 0)] if protocol == "refcount-0" else []
    for flaws, entries in [(("N-110", "N-42"), 1), ((), 0), *either]:
        sim = device({"a": ["mremap(file0)"], "u": ["unbind()"]}, align, *without(protocol, *flaws))
        level = sim.kernel.mms[0].pmds if align is Align.PMD else sim.kernel.mms[0].puds
        place = f"move_huge_{align}.write"
        Stepper(sim.world).run(Steered(("a", place), ("a", "+"), ("u", "")), 2_000)
        assert sum(isinstance(cell.value, Pte) for cell in level.values()) == entries


def test_the_repair_of_f22_leaves_huge_entries_of_files_alone() -> None:
    tasks = {"a": ["store(file0, 1)"], "b": ["store(file0, 2)"]}
    for patches in ((), ("fix-devdax-entry-order",)):
        sim = simulate(tasks, "series-v1", patches, files={"file0": 4}, prefault=False)
        run(sim)
        i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages
        assert i_pages.spans == {0: 2, 2: 2}


def test_the_index_is_repaired_in_refcount_0() -> None:
    assert patch("fix-devdax-index") in PROTOCOLS["refcount-0"].patches
