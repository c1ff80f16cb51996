"""The entry lock: who sleeps, who is woken, and what a walk makes of a locked entry."""

from __future__ import annotations

import pytest
from kernel_kit import add_task, program, run, simulate

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.xarray import Mark, XaState
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build
from daxfuzz.sim import Scheduler, Stepper

THREE = {"a": ["store(file0, 0)"], "b": ["store(file0, 0)"], "c": ["store(file0, 0)"]}


def waiters(sim: Simulation) -> list[str]:
    return [entry.task.name for head in sim.kernel.dax_waitqueues.heads for entry in head.entries]


def mapping_of(sim: Simulation):
    return sim.kernel.inodes["file0"].i_mapping


def test_an_unlock_wakes_one_waiter_and_the_chain_serves_all() -> None:
    sim = simulate(THREE, prefault=False)
    seen = []

    def look() -> None:
        seen.append((waiters(sim), [task.asleep for task in sim.world.tasks]))

    run(
        sim,
        ("a", "ext4_map_blocks.lock"),
        ("b", ""),
        ("c", ""),
        look,
        ("a", ""),
        look,
        ("b", "ext4_map_blocks.lock"),
        look,
        ("b", ""),
        look,
    )
    assert seen == [
        (["b", "c"], [False, True, True]),
        (["c"], [False, False, True]),
        (["c"], [False, False, True]),
        ([], [False, False, False]),
    ]
    assert sim.results == [[1000], [2000], [3000]]


def test_a_waiter_that_comes_too_late_goes_to_the_tail() -> None:
    sim = simulate(THREE, prefault=False)
    seen = []
    run(
        sim,
        ("a", "ext4_map_blocks.lock"),
        ("b", ""),
        ("a", ""),
        # b is awake, and c takes the lock first.
        ("c", "ext4_map_blocks.lock"),
        ("b", ""),
        lambda: seen.append(waiters(sim)),
    )
    assert seen == [["b"]]
    assert sim.results == [[1000], [2000], [3000]]


def look_only(sim: Simulation):
    """A task that waits for the entry and does not lock it."""

    async def body() -> Entry | None:
        mapping = mapping_of(sim)
        xas = XaState(mapping.i_pages, 0)
        await mapping.i_pages.lock.acquire()
        entry = await sim.kernel.dax.get_unlocked_entry(mapping, xas)
        await sim.kernel.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_NEXT)
        await mapping.i_pages.lock.release()
        return entry

    return body


class KeepTheWake(Dax):
    """A mistake: the wake is not passed on."""

    async def put_unlocked_entry(self, mapping, xas, entry, mode) -> None:
        return None


@pytest.mark.parametrize(("dax", "served"), [(Dax, True), (KeepTheWake, False)])
def test_who_does_not_take_the_lock_passes_the_wake_on(dax, served) -> None:
    sim = simulate({"a": ["fsync(file0)"]}, subsystems={"dax": dax})
    found = [add_task(sim, name, look_only(sim)) for name in ("x", "y")]
    execution = run(sim, ("a", "dax_flush.load"), ("x", ""), ("y", ""))
    assert found == [[Entry(0)], [Entry(0)] if served else []]
    assert execution.stuck == (() if served else (2,))


def test_a_deletion_wakes_all_waiters() -> None:
    sim = simulate({"a": ["fsync(file0)"]})
    mapping = mapping_of(sim)
    add_task(sim, "t", lambda: sim.kernel.dax.dax_delete_mapping_entry(mapping, 0))
    found = [add_task(sim, name, look_only(sim)) for name in ("x", "y")]
    execution = run(sim, ("a", "dax_flush.load"), ("t", ""), ("x", ""), ("y", ""))
    assert found == [[None], [None]]
    assert execution.stuck == ()
    assert mapping.i_pages.entries == {}


def test_a_second_deleter_finds_nothing_and_warns() -> None:
    sim = simulate({"a": []})
    warnings = []
    sim.kernel.on_warn = lambda message, page: warnings.append(message)
    for name in ("x", "y"):
        add_task(sim, name, lambda: sim.kernel.dax.dax_delete_mapping_entry(mapping_of(sim), 0))
    run(sim, ("x", ""), ("y", ""))
    assert warnings == ["dax_delete_mapping_entry: no entry"]


def test_inside_a_walk_find_conflict_finds_nothing() -> None:
    sim = simulate({"a": []}, files={"file0": 3})

    async def body() -> list[object]:
        i_pages = mapping_of(sim).i_pages
        xas = XaState(i_pages, 0)
        found: list[object] = [await xas.find_conflict(), await xas.find_conflict(), await xas.load()]
        xas.reset()
        found += [await xas.find(2), xas.index, await xas.find_conflict(), await xas.find(2), xas.index]
        xas.reset()
        found += [await xas.find_conflict(), await xas.find(2), xas.index, await xas.find(2)]
        return found

    found = add_task(sim, "x", body)
    run(sim)
    one, two, three = Entry(0), Entry(1), Entry(2)
    assert found == [[one, None, one, one, 0, None, two, 1, two, three, 2, None]]


def test_a_paused_walk_goes_on_with_the_next_index() -> None:
    sim = simulate({"a": []}, files={"file0": 2})

    async def body() -> tuple[int, Entry | None]:
        xas = XaState(mapping_of(sim).i_pages, 0)
        await xas.find(1)
        xas.pause()
        entry = await xas.find(1)
        return xas.index, entry

    found = add_task(sim, "x", body)
    run(sim)
    assert found == [(1, Entry(1))]


def test_a_locked_entry_is_skipped_by_the_scan_so_a_pin_is_missed() -> None:
    sim = simulate({"p": ["r0 = pin_user_pages_fast(file0, 0)"], "w": ["fsync(file0)"]})
    found = add_task(sim, "t", lambda: sim.kernel.dax.dax_layout_busy_page_range(mapping_of(sim), 0, 0))
    run(sim, ("p", ""), ("w", "dax_flush.load"), ("t", ""))
    assert found == [None]
    run(sim, ("p", ""), ("w", ""), ("t", ""))
    assert found == [None, sim.kernel.pages[0]]


def test_fsync_skips_an_entry_that_another_fsync_has_locked() -> None:
    sim = simulate({"v": ["fsync(file0)"], "w": ["fsync(file0)"]})
    seen = []

    def look() -> None:
        i_pages = mapping_of(sim).i_pages
        seen.append((list(sim.results[1]), i_pages.entries[0].locked, list(i_pages.marks[Mark.DIRTY])))

    # The second returns before the first has flushed.
    run(sim, ("v", "dax_flush.load"), ("w", ""), look, ("v", ""), look)
    assert seen == [([0], True, [0]), ([0], False, [])]


def test_fsync_leaves_other_ranges_of_the_walk_in_order() -> None:
    sim = simulate({"w": ["fsync(file0)"]}, files={"file0": 3})
    execution = run(sim)
    assert [repr(step.point) for step in execution.steps() if "block" in repr(step.point)] == [
        "block0.load",
        "block1.load",
        "block2.load",
    ]
    assert mapping_of(sim).i_pages.marks == {Mark.DIRTY: [], Mark.TOWRITE: []}


def test_an_unlock_of_an_unlocked_entry_is_a_bug() -> None:
    kernel = build("refcount-1", ())
    sim = Simulation(program({"a": []}), kernel.subsystems, "ext4")
    mapping = mapping_of(sim)
    add_task(sim, "x", lambda: sim.kernel.dax.dax_unlock_entry(mapping, XaState(mapping.i_pages, 0), Entry(0)))
    violation = Stepper(sim.world).run(Scheduler()).violation
    assert violation is not None
    assert (violation.kind, violation.function) == ("kernel-warning", "dax_unlock_entry")
