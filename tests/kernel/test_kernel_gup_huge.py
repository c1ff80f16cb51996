"""References on several pages, through PMD entries and through entries of pages, and their release."""

from __future__ import annotations

import pytest
from kernel_kit import BROADCAST, add_task, huge, points, run, simulate

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.oracles.registry import attach

WRITABLE = Pte(0, write=True, dirty=True)
PIN_BOTH = ["r0 = pin_user_pages_fast(file0, 0, 2)"]
FAST = ["get_user_pages_fast", "pin_user_pages_fast"]
SLOW = ["get_user_pages", "pin_user_pages"]


def counts(sim) -> list[int]:
    return [page.refcount.value for page in sim.kernel.pages]


def held(sim, task: int = 0) -> list[int]:
    return [reference.page.pfn for references in sim.registers[task].values() for reference in references]


@pytest.mark.parametrize("take", FAST)
def test_the_fast_path_takes_each_page_of_a_pmd_on_its_own(take) -> None:
    sim = huge({"a": [f"r0 = {take}(file0, 0, 2)"]})
    attach(sim)
    steps = points(run(sim), 0)
    one = 8 if take.startswith("pin") else 1
    assert held(sim) == [0, 1]
    assert counts(sim) == [1 + one, 1 + one, 1]
    # One page map for all, and one addition a page: the slow path's grab, without its lock.
    assert steps.count("pgmap_array.read") == 1
    assert [step for step in steps if ".add" in step and "page" in step] == ["page0.refcount.add", "page1.refcount.add"]
    assert "mm0.mmap_lock.lock" not in steps
    assert "mm0.pmd_lock.lock" not in steps


@pytest.mark.parametrize("take", FAST + SLOW)
def test_a_page_in_the_middle_of_a_pmd_is_the_one_that_is_taken(take) -> None:
    sim = huge({"a": [f"r0 = {take}(file0, 1)"]})
    attach(sim)
    run(sim)
    assert held(sim) == [1]


@pytest.mark.parametrize("take", SLOW)
def test_the_slow_path_takes_one_page_a_round_under_the_pmd_lock(take) -> None:
    sim = huge({"a": [f"r0 = {take}(file0, 0, 2)"]})
    attach(sim)
    steps = points(run(sim), 0)
    assert held(sim) == [0, 1]
    assert steps.count("mm0.pmd_lock.lock") == 2
    assert steps.count("mm0.mmap_lock.lock") == 1
    assert steps.count("pgmap_array.read") == 1


@pytest.mark.parametrize("take", FAST + SLOW)
def test_pages_of_several_tables_are_taken_in_one_call(take) -> None:
    sim = huge({"a": [f"r0 = {take}(file0, 0, 3)"]}, pages=3)
    attach(sim)
    run(sim)
    assert held(sim) == [0, 1, 2]
    assert sim.kernel.mms[0].pmds[1].value is TABLE


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
@pytest.mark.parametrize("take", FAST)
def test_it_gives_all_pages_of_a_pmd_back_when_the_entry_is_cleared_before_the_re_check(protocol, take) -> None:
    tasks = {"p": [f"r0 = {take}(file0, 0, 2)"], "t": ["truncate(file0, 0)"]}
    sim = huge(tasks, protocol=protocol, machine=BROADCAST)
    attach(sim)
    seen = []
    run(
        sim,
        ("p", "pmd_unchanged.read"),
        ("t", ""),
        lambda: seen.append(counts(sim)),
        ("p", "get_user_pages_unlocked.lock"),
        lambda: seen.append(counts(sim)),
        ("t", ""),
        ("p", ""),
    )
    one = 8 if take.startswith("pin") else 1
    assert seen == [[1 + one, 1 + one, 1], [1, 1, 1]]
    assert sim.results == [[-14], [0]]


def test_the_undo_goes_from_the_end() -> None:
    sim = huge({"p": PIN_BOTH}, machine=BROADCAST)
    pmd = sim.kernel.mms[0].pmds[0]

    async def writeprotect() -> None:
        await pmd.write(Pte(0))

    add_task(sim, "w", writeprotect)
    steps = points(run(sim, ("p", "pmd_unchanged.read"), ("w", ""), ("p", "get_user_pages_unlocked.lock")), 0)
    releases = [step for step in steps if step.endswith("refcount.update")]
    assert releases == ["page1.refcount.update", "page0.refcount.update"]


@pytest.mark.parametrize("dies", [0, 1])
def test_a_free_page_in_a_pmd_makes_the_fast_path_give_all_back(dies) -> None:
    sim = huge({"p": PIN_BOTH})
    warned = []
    sim.kernel.on_warn = lambda message, page: warned.append((message, page))
    sim.kernel.pages[dies].refcount.value = 0
    sim.world.seal()
    run(sim)
    # The slow path finds as many pages as come before the free one.
    assert held(sim) == [0] * dies
    assert sim.results == [[-12]] if dies == 0 else [[0]]
    assert [page for _, page in warned] == [sim.kernel.pages[dies]] * 2


@pytest.mark.parametrize("take", FAST + SLOW)
def test_a_dead_page_map_is_an_error_through_a_pmd(take) -> None:
    sim = huge({"p": [f"r0 = {take}(file0, 0, 2)"]})
    sim.kernel.pgmap_array.value = None
    sim.world.seal()
    run(sim)
    assert sim.results == [[-14]]
    assert counts(sim) == [1, 1, 1]


def test_the_slow_path_faults_a_pmd_in() -> None:
    sim = simulate({"p": ["r0 = pin_user_pages(file0, 1)"]}, files={"file0": 2}, prefault=False)
    attach(sim)
    run(sim)
    assert sim.kernel.mms[0].pmds[0].value == WRITABLE
    assert held(sim) == [1]


def test_a_part_of_the_pages_is_success() -> None:
    # The second page lies beyond the end of the file.
    tasks = {"p": ["truncate(file0, 1)", "r0 = pin_user_pages_fast(file0, 0, 2)", "unpin_user_pages(r0)"]}
    sim = simulate(tasks, files={"file0": 2}, prefault=False)
    attach(sim)
    seen = []
    run(sim, ("p", "gup_folio_next.read"), lambda: seen.append(counts(sim)), ("p", ""))
    assert seen == [[9, 1, 1]]
    assert sim.results == [[0, 0, 0]]
    assert counts(sim) == [1, 1, 1]


def test_the_fast_path_leaves_the_rest_to_the_slow_path() -> None:
    sim = simulate({"p": PIN_BOTH}, files={"file0": 2})
    attach(sim)
    sim.kernel.mms[0].slots[1].value = None
    sim.world.seal()
    steps = points(run(sim), 0)
    assert held(sim) == [0, 1]
    # The first page is not taken twice.
    assert [steps.count(f"page0.refcount.{verb}") for verb in ("update", "add")] == [1, 1]
    assert "mm0.mmap_lock.lock" in steps


@pytest.mark.parametrize("take", FAST + SLOW)
def test_read_only_references_do_not_need_a_writable_entry(take) -> None:
    for setup in (huge, lambda tasks: simulate(tasks, files={"file0": 2})):
        sim = setup({"p": ["fsync(file0)", f"r0 = {take}(file0, 0, 2, READ_ONLY)", "dma_write(r0)"]})
        attach(sim)
        run(sim)
        assert held(sim) == [0, 1]
        assert not any(reference.flags & Foll.WRITE for _, reference in sim.references())
        # Nothing was made writable for them, and no device may write through them.
        assert sim.results == [[0, 0, -22]]
        assert not any(
            leaf.value.write
            for leaf in (*sim.kernel.mms[0].pmds.values(), *sim.kernel.mms[0].slots.values())
            if isinstance(leaf.value, Pte)
        )


@pytest.mark.parametrize("take", FAST + SLOW)
@pytest.mark.parametrize("pages", [1, 2])
def test_read_only_references_on_a_hole_are_on_the_zero_page(take, pages) -> None:
    release = "unpin_user_pages" if take.startswith("pin") else "put_page"
    tasks = {
        "p": [
            f"r0 = {take}(file0, 0, {pages}, READ_ONLY)",
            f"r1 = {take}(file0, 0, {pages}, READ_ONLY)",
            f"{release}(r0)",
        ]
    }
    sim = simulate(tasks, files={"file0": pages}, prefault=False)
    attach(sim)
    run(sim)
    assert [reference.page for _, reference in sim.references()] == [sim.kernel.zero_folio] * pages
    assert counts(sim) == [1] * (pages + 1)
    assert sim.kernel.zero_folio.refcount.value == 1 + pages * (8 if take.startswith("pin") else 1)


@pytest.mark.parametrize("flags", [Foll.GET, Foll.PIN])
def test_an_invalid_pmd_stops_the_fast_path(flags) -> None:
    sim = huge({"p": []})
    mm = sim.kernel.mms[0]
    mm.pmds[0].value = WRITABLE._replace(invalid=True)
    sim.world.seal()
    got = add_task(sim, "q", lambda: sim.kernel.gup.lockless_pages_from_mm(mm, range(2), flags))
    run(sim)
    assert got == [[]]


def test_a_device_writes_to_all_pages_of_a_register() -> None:
    sim = huge({"p": [*PIN_BOTH, "dma_write(r0)", "unpin_user_pages(r0)"]})
    attach(sim)
    run(sim)
    assert [block.data for block in sim.kernel.blocks] == [1001, 1001, 0]


@pytest.mark.parametrize("release", ["put_page", "release_pages"])
def test_each_page_of_a_register_is_put(release) -> None:
    sim = huge({"p": ["r0 = get_user_pages_fast(file0, 0, 2)", f"{release}(r0)"], "t": ["truncate(file0, 0)"]})
    attach(sim)
    woken = []
    run(
        sim,
        ("p", f"{release}.read" if release == "release_pages" else "put_page.read"),
        ("t", ""),
        lambda: woken.append(sim.task("t").asleep),
        ("p", ""),
        ("t", ""),
    )
    assert woken == [True]
    assert sim.results == [[0, 0], [0]]
    assert counts(sim) == [1, 1, 1]


def test_pins_of_one_large_folio_are_dropped_at_once() -> None:
    sim = huge({"p": []})
    head, tail, other = sim.kernel.pages
    for page in (head, tail):
        page.head.value = head
    head.large = True
    head.refcount.value = 3
    head.pincount.value = 2
    other.refcount.value = 9
    sim.world.seal()
    add_task(sim, "u", lambda: sim.kernel.gup.unpin_user_pages([head, tail, other]))
    steps = points(run(sim), 1)
    assert (head.refcount.value, head.pincount.value, other.refcount.value) == (1, 0, 1)
    assert steps.count("page0.refcount.update") == 1
