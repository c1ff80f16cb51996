"""refcount-0: counted mappings, folios, and the break that deletes entries; and where it differs from refcount-1."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernel_kit import BROADCAST, IPI, Machine, add_task, huge, points, run, simulate
from oracle_kit import assert_silent, program, trip
from oracle_kit import simulate as watched

from daxfuzz.kernel.entry import DaxFlag, Entry
from daxfuzz.kernel.errno import EFBIG, EINVAL
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.refcount_zero.removed_entries import RemoveEntriesOnBreak
from daxfuzz.protocols.refcount_zero.revert_wait_entry_advance import RevertWaitEntryAdvance
from daxfuzz.protocols.registry import protocol
from daxfuzz.protocols.repairs.flush_before_delete import FixFlushBeforeDelete
from daxfuzz.protocols.repairs.fuse_eviction import FixFuseEviction
from daxfuzz.protocols.repairs.idle_while_mapped import FixIdleWhileMapped
from daxfuzz.protocols.repairs.mapping_mapped import FixMappingMapped
from daxfuzz.protocols.repairs.reset_before_waiting import FixResetBeforeWaiting
from daxfuzz.protocols.repairs.stale_share import FixStaleShare
from daxfuzz.protocols.repairs.sync_pmd_over_table import FixSyncPmdOverTable

GENERATIONS = ("refcount-1", "refcount-0")
PIN = "r0 = pin_user_pages(file0, 0)"
UNPIN = "unpin_user_pages(r0)"


def counts(sim: Simulation, pfn: int = 0) -> tuple[int, int, int]:
    """(references, map count, pins of a large folio)"""
    page = sim.kernel.pages[pfn]
    return page.refcount.value, page.mapcount.value, page.pincount.value


def entries(sim: Simulation) -> dict[int, Entry]:
    return dict(sim.kernel.inodes["file0"].i_mapping.i_pages.entries)


# -- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "expected"), [("refcount-1", [1, 1, 1]), ("refcount-0", [2, 1, 0])])
def test_each_mapping_holds_a_reference(protocol, expected) -> None:
    sim = simulate({"a": ["load(file0, 0)", "munmap(file0)"], "b": ["load(file0, 0)", "munmap(file0)"]}, protocol)
    attach(sim)
    seen = []

    def look() -> None:
        seen.append(sim.kernel.pages[0].refcount.value)

    run(sim, ("b", "do_munmap.lock"), look, ("a", ""), look, ("b", ""), look)
    assert seen == expected
    assert entries(sim) == {0: Entry(0)}


def test_pins_and_references_add_to_what_the_mapping_holds() -> None:
    sim = simulate(
        {"p": [PIN, "r1 = get_user_pages_fast(file0, 0)", "r2 = pin_user_pages_fast(file0, 0)"]}, "refcount-0"
    )
    attach(sim)
    run(sim)
    assert counts(sim) == (1 + 8 + 1 + 8, 1, 0)


def test_a_fault_holds_a_reference_of_its_own_while_it_maps() -> None:
    sim = simulate({"a": ["store(file0, 0)"]}, "refcount-0", prefault=False)
    attach(sim)
    seen = []
    places = ("vmf_insert_page_mkwrite.read", "insert_page_into_pte_locked.write", "folio_put_refs.update", "")
    run(sim, *(each for place in places for each in (("a", place), lambda: seen.append(counts(sim)[:2]))))
    assert seen == [(1, 0), (2, 1), (2, 1), (1, 1)]


class FreeDuringFault(Patch):
    """fs/dax: Hold no reference while a page is mapped."""

    class dax_fault(ProperlyRefcountFsDaxPages.dax_fault):
        async def insert_pfn(self, vmf: Fault, new: Pte, pfn: int) -> VmFault:
            await self.k.pages[pfn].refcount.add(-1)
            result = await super().insert_pfn(vmf, new, pfn)
            await self.k.pages[pfn].refcount.add(1)
            return result


def test_a_page_without_references_cannot_be_mapped() -> None:
    sim = watched(
        program({"a": ["store(file0, 0)"]}, prefault=False), FreeDuringFault, protocol="refcount-0", oracles=()
    )
    run(sim)
    assert sim.results == [["SIGBUS"]]


def test_a_page_that_is_idle_cannot_be_grabbed_without_a_lock() -> None:
    """G3 versus G0 (e)."""

    def grabber(sim: Simulation) -> Callable[[], object]:
        async def grab() -> bool:
            return await sim.kernel.gup.try_grab_folio(sim.kernel.pages[0], 1, Foll.GET) is not None

        return grab

    grabbed = {}
    for name in GENERATIONS:
        sim = simulate({"t": ["truncate(file0, 0)"]}, name)
        returned = add_task(sim, "grabber", grabber(sim))
        run(sim, ("t", ""), ("grabber", ""))
        grabbed[name] = (returned, sim.kernel.pages[0].refcount.value)
    assert grabbed == {"refcount-1": ([True], 2), "refcount-0": ([False], 0)}


# -- zapping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "order"),
    [
        (
            "load",
            ["mm0.pte0.0.write", "page0.mapcount.add", "mm0.ptl0.0.unlock", "a.tlb.tlbi", "page0.refcount.update"],
        ),
        (
            "store",
            ["mm0.pte0.0.write", "a.tlb.tlbi", "page0.mapcount.add", "mm0.ptl0.0.unlock", "page0.refcount.update"],
        ),
    ],
)
def test_references_are_dropped_after_the_flush_which_comes_under_the_lock_for_a_dirty_entry(access, order) -> None:
    calls = ["store(file0, 0)", "munmap(file0)", "mmap(file0)", f"{access}(file0, 0)", "munmap(file0)"]
    sim = simulate({"a": calls}, "refcount-0", machine=BROADCAST)
    attach(sim)
    steps = points(run(sim), 0)
    last = len(steps) - steps[::-1].index("mm0.pte0.0.write") - 1
    assert [step for step in steps[last:] if step in order] == order


def test_a_page_is_busy_until_its_unmapper_drops_the_reference() -> None:
    tasks = {"a": ["munmap(file0)", "mmap(file0)", "load(file0, 0)", "munmap(file0)"], "t": ["truncate(file0, 0)"]}
    sim = simulate(tasks, "refcount-0", machine=Machine(bias=8, merge_vmas=True))
    attach(sim)
    asleep = []
    # The last reference is about to be dropped; the file's tree has no VMA any more.
    first = ("a", "folio_put_refs.update"), ("a", "+"), ("a", "folio_put_refs.update"), ("a", "+")
    run(
        sim,
        *first,
        ("a", "zap_pte_range.unlock"),
        ("a", "+"),
        ("t", ""),
        lambda: asleep.append(sim.task("t").asleep),
        ("a", ""),
        ("t", ""),
    )
    assert asleep == [True]
    assert sim.results == [[0, 0, 0, 0], [0]]


# -- folios ----------------------------------------------------------------------------------------------------------


def test_a_pmd_entry_makes_its_pages_a_folio_and_the_end_of_the_entry_splits_it() -> None:
    tasks = {"a": ["store(file0, 1)"], "t": ["truncate(file0, 0)"]}
    sim = simulate(tasks, "refcount-0", files={"file0": 2}, prefault=False)
    attach(sim)
    seen = []

    def look() -> None:
        pages = sim.kernel.pages[:2]
        seen.append([(page.head.value.pfn, page.order.value, page.mapping.value is not None) for page in pages])

    run(sim, ("a", ""), look, ("t", ""), look)
    assert seen == [[(0, 2, True), (0, 1, False)], [(0, 1, False), (1, 1, False)]]
    assert counts(sim) == (0, 0, 0)
    assert entries(sim) == {}


def test_a_pin_of_a_page_in_a_folio_counts_in_the_head() -> None:
    for call in ("pin_user_pages", "pin_user_pages_fast"):
        sim = huge({"p": [f"r0 = {call}(file0, 1)"]}, protocol="refcount-0")
        attach(sim)
        run(sim)
        assert [counts(sim), counts(sim, 1)] == [(2, 1, 1), (0, 0, 0)]


def test_the_fast_path_grabs_all_pages_of_a_folio_at_once_and_the_release_drops_them_at_once() -> None:
    sim = huge({"p": ["r0 = pin_user_pages_fast(file0, 0, 2)", "unpin_user_pages(r0)"]}, protocol="refcount-0")
    attach(sim)
    seen = []
    execution = run(sim, ("p", "gup_folio_next.read"), lambda: seen.append(counts(sim)))
    assert seen == [(3, 1, 2)]
    steps = points(execution, 0)
    assert steps.count("page0.refcount.update") == 2
    assert steps.count("page0.pincount.add") == 2
    assert counts(sim) == (1, 1, 0)


def test_a_page_of_a_pmd_that_is_mapped_by_itself_counts_in_the_head() -> None:
    sim = huge({"a": ["load(file0, 0)"]}, protocol="refcount-0")
    attach(sim)
    kernel = sim.kernel
    assert (kernel.mms[0].pmd(0).value, counts(sim)) == (Pte(0, write=True, dirty=True), (1, 1, 0))

    async def fault() -> VmFault:
        mm = kernel.mms[0]
        await kernel.huge_memory._split_huge_pmd(mm, 0)
        return await kernel.fs.dax_fault(Fault(mm.vmas.value[0], 1, True))

    returned = add_task(sim, "f", fault)
    run(sim, ("f", ""))
    assert returned == [VmFault.NOPAGE]
    assert kernel.mms[0].pmd(0).value is TABLE
    assert [slot.value for slot in kernel.mms[0].slots.values()] == [Pte(0), Pte(1, write=True, dirty=True)]
    assert [counts(sim), counts(sim, 1)] == [(2, 2, 0), (0, 0, 0)]


def test_a_hole_that_another_fault_has_mapped_meanwhile_is_no_reason_to_fall_back() -> None:
    outcomes = {}
    for name in GENERATIONS:
        sim = simulate(
            {"a": ["load(file0, 0)"], "b": ["load(file0, 1)"]},
            name,
            files={"file0": 2},
            mms={"mm0": ("a", "b")},
            prefault=False,
        )
        attach(sim)
        run(sim, ("a", "ext4_dax_huge_fault.lock"), ("b", ""), ("a", ""))
        outcomes[name] = sim.kernel.mms[0].pmds[0].value
    assert outcomes == {"refcount-1": TABLE, "refcount-0": Pte(0, zero=True)}


@pytest.mark.parametrize(("protocol", "asleep"), [("refcount-1", True), ("refcount-0", False)])
def test_fault_around_takes_no_lock_of_the_file_since_v6_4(protocol, asleep) -> None:
    tasks = {"a": ["load(file0, 0)"], "t": ["truncate(file0, 1)"]}
    sim = simulate(tasks, protocol, filesystem="xfs")
    walks = []
    run(
        sim,
        ("t", "xfs_setattr_size.read"),
        ("a", "filemap_map_pages.read_lock" if not asleep else ""),
        lambda: walks.append(sim.world.tasks[0].blocked_on is None),
    )
    assert walks == [not asleep]


# -- entries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "dirty"), [("refcount-1", [0]), ("refcount-0", [])])
def test_only_writes_mark_entries_dirty(protocol, dirty) -> None:
    sim = simulate({"a": ["load(file0, 0)"]}, protocol, prefault=False)
    attach(sim)
    run(sim)
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.marks[Mark.DIRTY] == dirty


@pytest.mark.parametrize("filesystem", ["ext4", "fuse", "xfs"])
def test_a_break_deletes_all_entries_of_the_file(filesystem) -> None:
    left = {}
    for name in GENERATIONS:
        sim = simulate({"t": ["truncate(file0, 1)"]}, name, files={"file0": 3}, filesystem=filesystem)
        attach(sim)
        run(sim)
        left[name] = entries(sim)
    assert left == {"refcount-1": {0: Entry(0)}, "refcount-0": {}}


class KeepEntries(Patch):
    """fs/dax: Do not delete entries when a layout is broken."""

    class dax(RemoveEntriesOnBreak.dax):
        async def dax_delete_mapping_range(self, mapping: AddressSpace, first: int, last: int) -> None:
            return


def test_truncation_warns_of_entries_that_are_left() -> None:
    one = program({"t": ["truncate(file0, 0)"]})
    violation = trip(watched(one, KeepEntries, protocol="refcount-0"), "kernel-warning", random=0)
    assert violation.function == "truncate_folio_batch_exceptionals"


LOCKED = program(
    {"pinner": [PIN, UNPIN], "syncer": ["fsync(file0)"], "truncator": ["truncate(file0, 0)"]}, files={"file0": 2}
)


def test_the_scan_waits_for_a_locked_entry_and_looks_at_that_one() -> None:
    v6_15 = protocol("refcount-0-v6.15")
    as_merged = [each for each in v6_15.repairs if each is not FixResetBeforeWaiting]
    trip(watched(LOCKED, *as_merged, protocol="refcount-0-v6.15"), "freed-while-pinned", preemptions=2, simple=4_000)
    assert_silent(watched(LOCKED, *v6_15.repairs, protocol="refcount-0-v6.15"), preemptions=2, simple=500)


def test_the_revert_is_v6_15_in_this_respect() -> None:
    assert RevertWaitEntryAdvance.slug() == "revert-wait-entry-advance"
    reverted = watched(LOCKED, RevertWaitEntryAdvance, protocol="refcount-0-fixed")
    trip(reverted, "freed-while-pinned", preemptions=2, simple=4_000)
    assert_silent(watched(LOCKED, protocol="refcount-0-fixed"), preemptions=2, simple=500)


def test_eviction_of_fuse_waits_since_v6_16() -> None:
    v6_15 = protocol("refcount-0-v6.15")
    as_released = [each for each in v6_15.repairs if each is not FixFuseEviction]
    one = program({"pinner": [PIN, "munmap(file0)", UNPIN], "remover": ["unlink(file0)"]})
    reverted = watched(one, *as_released, protocol="refcount-0-v6.15", filesystem="fuse")
    trip(reverted, "kernel-warning", preemptions=0, random=0)
    assert_silent(watched(one, *v6_15.repairs, protocol="refcount-0-v6.15", filesystem="fuse"), preemptions=1)


# -- G3 versus G0 ----------------------------------------------------------------------------------------------------

REFAULT = program({"pinner": [PIN, UNPIN], "toucher": ["load(file0, 0)"], "truncator": ["truncate(file0, 0)"]})


def test_a_the_wait_for_a_page_that_is_mapped_again_does_not_end() -> None:
    """Needs no reflink: faults are not kept out while truncate sleeps."""
    assert_silent(watched(REFAULT, protocol="refcount-1"), preemptions=1)
    violation = trip(watched(REFAULT, protocol="refcount-0"), "deadlock")
    assert "truncator on page_idle" in violation.message
    assert_silent(watched(REFAULT, FixIdleWhileMapped, protocol="refcount-0"), preemptions=2, simple=2_000)


MUNMAP_RACE = program(
    {
        "user": ["fsync(file0)", "load(file0, 0)", "load(file0, 0)"],
        "unmapper": ["munmap(file0)"],
        "truncator": ["truncate(file0, 0)"],
    },
    mms={"mm0": ("user", "unmapper"), "mm1": ("truncator",)},
)


def test_b_a_block_is_not_freed_before_an_unmapper_has_flushed() -> None:
    trip(watched(MUNMAP_RACE, FixMappingMapped, protocol="refcount-1"), "stale-tlb", preemptions=2, simple=4_000)
    assert_silent(watched(MUNMAP_RACE, protocol="refcount-0"), preemptions=2, simple=4_000)


UNMAPPED = program({"pinner": [PIN, "munmap(file0)", UNPIN], "truncator": ["truncate(file0, 0)"]})


def test_c_an_unmapped_file_may_have_busy_pages() -> None:
    trip(watched(UNMAPPED, protocol="refcount-1"), "freed-while-pinned")
    assert_silent(watched(UNMAPPED, FixIdleWhileMapped, protocol="refcount-0"))


def test_c_who_does_not_break_layouts_by_the_common_function_looks_at_unmapped_files_too() -> None:
    tasks = {"p": [PIN, "munmap(file0)"]}
    busy = {}
    for name in GENERATIONS:
        sim = simulate(tasks, name)
        search = sim.kernel.dax.dax_layout_busy_page
        returned = add_task(sim, "t", lambda sim=sim, search=search: search(sim.kernel.inodes["file0"].i_mapping))
        run(sim, ("p", ""), ("t", ""))
        busy[name] = [page and page.pfn for page in returned]
    assert busy == {"refcount-1": [None], "refcount-0": [0]}


# -- MAP_SYNC --------------------------------------------------------------------------------------------------------

SYNC = {
    "a": ["munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"],
    "b": ["fallocate(file0, PUNCH_HOLE, 0, 1)", "fsync(file0)", "store(file0, 1)"],
}


def test_a_synchronous_pmd_fault_finds_a_page_table_in_its_place() -> None:
    """Thread b falls back while the PMD has a hole, a fills it; b maps its page while a makes that durable."""
    warnings = {}
    for repairs in ((), (FixSyncPmdOverTable.slug(),)):
        sim = simulate(SYNC, "refcount-0", repairs, files={"file0": 2}, mms={"mm0": ("a", "b")})
        messages = warnings[repairs] = []
        sim.kernel.on_warn = lambda message, page, messages=messages: messages.append(message)
        fallen_back = ("a", "ext4_dax_huge_fault.lock"), ("b", "handle_pte_fault.read")
        run(sim, *fallen_back, ("a", "dax_insert_pfn_mkwrite.lock"), ("b", ""), ("a", ""))
        assert sim.results == [[0, 0, 1002], [0, 0, 2002]]
    assert [len(messages) for messages in warnings.values()] == [1, 0]


# -- PMDs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [IPI, BROADCAST], ids=["ipi", "broadcast"])
def test_an_unmap_does_not_wait_for_one_that_has_cleared_a_pmd(machine) -> None:
    tasks = {"m": ["munmap(file0)"], "t": ["truncate(file0, 0)"]}
    said = {}
    for name in ("refcount-1", "refcount-0", "refcount-0-fixed"):
        sim = huge(tasks, protocol=name, machine=machine)
        messages = said[name] = []
        sim.kernel.on_warn = lambda message, page, messages=messages: messages.append(message)
        cleared = ("m", "zap_huge_pmd.write"), ("m", "+")
        run(sim, *cleared, ("t", ""), ("m", ""), ("t", ""))
        assert sim.results == [[0], [0]]
        assert counts(sim)[:2] == ((1, 0) if name == "refcount-1" else (0, 0))
    assert said == {
        "refcount-1": [],
        "refcount-0": ["dax_folio_put: the folio has references"],
        "refcount-0-fixed": [],
    }


# -- shared extents --------------------------------------------------------------------------------------------------


def associations(*patches: str) -> list[tuple[bool, int]]:
    """(whether it names a file, index or share count) of page 0: as page 1 of file0, alone; then shared, twice; ..."""
    sim = simulate({"a": ["load(file0, 0)"]}, "refcount-0", patches, files={"file0": 2, "file1": 1}, prefault=False)
    kernel = sim.kernel
    page = kernel.pages[0]
    entry = Entry(0)
    first, second = (inode.i_mapping for inode in kernel.inodes.values())
    vma = kernel.mms[0].vmas.value[0]
    seen = []

    async def body() -> None:
        fault = Fault(vma, 1, False)
        for mapping, flags in (
            (first, 0),
            (None, 0),
            (second, DaxFlag.COW),
            (first, DaxFlag.COW),
            (None, 0),
            (None, 0),
        ):
            if mapping is None:
                await kernel.dax.dax_disassociate_entry(entry, first, True)
            else:
                await kernel.dax.dax_associate_entry(entry, mapping, fault, flags)
            seen.append((page.mapping.value is not None, page.index.value))

    add_task(sim, "b", body)
    run(sim, ("b", ""))
    return seen


def test_the_index_of_an_order_0_page_is_taken_for_a_share_count() -> None:
    """F-27."""
    assert associations() == [(True, 1), (False, 1), (False, 2), (False, 3), (False, 2), (False, 1)]
    fixed = [(True, 1), (False, 0), (True, 1), (False, 2), (False, 1), (False, 0)]
    assert associations(FixStaleShare.slug()) == fixed


# -- durability ------------------------------------------------------------------------------------------------------

STORED = program({"a": ["store(file0, 0)", "truncate(file0, 1)", "fsync(file0)"]}, files={"file0": 2})


def test_a_break_forgets_what_is_dirty_in_the_rest_of_the_file() -> None:
    assert_silent(watched(STORED, protocol="refcount-1"))
    violation = trip(watched(STORED, protocol="refcount-0"), "lost-dirty-data", random=0)
    assert "a crash leaves 0 in page 0" in violation.message
    assert_silent(watched(STORED, FixFlushBeforeDelete, protocol="refcount-0"))


# -- eviction --------------------------------------------------------------------------------------------------------

EVICTED = program(
    {"pinner": [PIN, "unpin_user_pages(r0)"], "unlinker": ["munmap(file0)", "unlink(file0)"]},
    mms={"mm0": ("pinner", "unlinker")},
)


def test_d_eviction_waits_for_busy_pages() -> None:
    trip(watched(EVICTED, FixMappingMapped, protocol="refcount-1"), "freed-while-pinned", preemptions=2, simple=4_000)
    assert_silent(watched(EVICTED, FixIdleWhileMapped, protocol="refcount-0"), preemptions=2, simple=4_000)


@pytest.mark.parametrize(("name", "asleep"), [("refcount-1", False), ("refcount-0", True)])
@pytest.mark.parametrize("filesystem", ["ext4", "fuse", "xfs"])
def test_the_end_of_a_file_waits_for_busy_pages(filesystem, name, asleep) -> None:
    tasks = {"p": [PIN], "u": ["munmap(file0)", "unlink(file0)"]}
    sim = simulate(tasks, name, mms={"mm0": ("p", "u")}, filesystem=filesystem)
    seen = []
    run(sim, ("p", ""), ("u", ""), lambda: seen.append(sim.task("u").asleep))
    assert seen == [asleep]


# -- fallocate on ext4 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "waits"), [("refcount-1", False), ("refcount-0-v6.15", True), ("refcount-0", True)])
@pytest.mark.parametrize(
    ("arguments", "result"),
    [("COLLAPSE_RANGE, 0, 1", -EINVAL), ("INSERT_RANGE, 0, 1", -EFBIG), ("PUNCH_HOLE, 1, 1", 0)],
)
def test_the_layout_is_broken_before_the_range_is_looked_at(arguments, result, name, waits) -> None:
    """2890e5e0f49e, v6.14: the mappings go, and a pin is waited for, before a call is refused or has nothing to do."""
    sim = simulate({"p": [PIN, UNPIN], "f": [f"fallocate(file0, {arguments})"]}, name)
    seen = []

    def look() -> None:
        mapped = any(isinstance(slot.value, Pte) for slot in sim.kernel.mms[0].slots.values())
        seen.append((sim.task("f").asleep, mapped))

    run(sim, ("p", "user_space.call"), ("p", "+"), ("p", "user_space.call"), ("f", ""), look, ("p", ""), ("f", ""))
    assert seen == [(waits, not waits)]
    assert sim.results[1] == [result]


def test_a_range_beyond_the_end_is_refused_before_its_size_is_looked_at() -> None:
    tasks = {"a": ["fallocate(file0, INSERT_RANGE, 2, 1)", "fallocate(file0, INSERT_RANGE, 0, 1)"]}
    results = {}
    for name in GENERATIONS:
        sim = simulate(tasks, name, files={"file0": 2})
        run(sim)
        results[name] = sim.results
    assert results == {"refcount-1": [[-EFBIG, -EFBIG]], "refcount-0": [[-EINVAL, -EFBIG]]}


def test_a_hole_is_not_written_back_before_it_is_made() -> None:
    written = {}
    for name in GENERATIONS:
        sim = simulate({"a": ["store(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"]}, name)
        written[name] = "block0.load" in points(run(sim), 0)
    assert written == {"refcount-1": True, "refcount-0": False}


def test_a_hole_that_reaches_beyond_the_end_stops_there() -> None:
    tasks = {"a": ["truncate(file0, 1)", "fallocate(file0, KEEP_SIZE, 1, 1)", "fallocate(file0, PUNCH_HOLE, 0, 3)"]}
    blocks = {}
    for name in GENERATIONS:
        sim = simulate(tasks, name, files={"file0": 3})
        run(sim)
        blocks[name] = [extent.value is not None for extent in sim.kernel.inodes["file0"].extents]
    assert blocks == {"refcount-1": [False, False, False], "refcount-0": [False, True, False]}
