"""mremap: entries move with the mapping, and who looks for them finds them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernel_kit import add_task, huge, run, simulate
from oracle_kit import assert_silent, program, trip
from oracle_kit import simulate as watched

from daxfuzz.kernel.mm import Mm, Pte, Vma
from daxfuzz.kernel.mremap import Mremap
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import protocol
from daxfuzz.protocols.repairs.move_holds_rmap import FixMoveHoldsRmap

WRITABLE = Pte(0, write=True, dirty=True)


def test_a_mapping_moves_away_and_back() -> None:
    sim = simulate({"a": ["store(file0, 0)", "mremap(file0)", "load(file0, 0)"]}, files={"file0": 2})
    here, there = sim.kernel.addresses(0, 0)
    mm = sim.kernel.mms[0]
    seen = []

    def look() -> None:
        seen.append((mm.slots[here].value, mm.slots[there].value, [vma.start for vma in mm.vmas.value]))

    run(sim, ("a", "unlink_file_vma.lock"), look, ("a", ""), look)
    assert seen == [(None, WRITABLE, [there]), (WRITABLE, None, [here])]
    assert sim.results == [[1000, 0, 1000]]
    assert [vma.start for vma in sim.kernel.inodes["file0"].i_mapping.i_mmap.value] == [here]


def test_old_translations_are_gone_before_the_entries_are_unlocked() -> None:
    sim = simulate({"a": ["store(file0, 0)", "mremap(file0)"]})
    seen = []
    # The second table is unlocked first.
    run(
        sim,
        ("a", "move_ptes.lock"),
        ("a", "move_ptes.unlock"),
        lambda: seen.append(dict(sim.kernel.tlb_of(sim.task("a")).entries)),
    )
    assert seen == [{}]


def test_private_copies_and_their_pins_move_with_the_mapping() -> None:
    tasks = {"a": ["mmap(file0, MAP_PRIVATE)", "r0 = pin_user_pages_fast(file0, 0)", "mremap(file0)", "dma_write(r0)"]}
    sim = watched(program({"a": [*tasks["a"], "load(file0, 0)"]}), protocol="refcount-1-fixed")
    assert_silent(sim)
    assert sim.results == [[0, 0, 0, 1003, 1003]]


def test_a_mapping_that_is_not_there_does_not_move() -> None:
    sim = simulate({"a": ["munmap(file0)", "mremap(file0)"]})
    run(sim)
    assert sim.results == [[0, -14]]


RACES = [
    {"a": ["store(file0, 0)", "mremap(file0)", "load(file0, 0)"], "t": ["truncate(file0, 0)"]},
    {"a": ["mremap(file0)"], "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"], "s": ["fsync(file0)"]},
    {"a": ["mremap(file0)", "fork(c)"], "b": ["r0 = pin_user_pages_fast(file0, 0)"], "c": ["load(file0, 0)"]},
]


@pytest.mark.parametrize("tasks", RACES)
def test_entries_on_the_move_are_not_missed(tasks) -> None:
    mms = {"mm0": ("a", "b"), "mm1": ("c",)} if "c" in tasks else None
    assert_silent(watched(program(tasks, mms=mms), protocol="refcount-1-fixed"), simple=250, random=30)


@pytest.mark.parametrize("generation", ["refcount-1", "series-v3", "refcount-0"])
def test_n110_an_unmap_misses_a_pmd_that_is_at_no_place(generation) -> None:
    moved = program({"a": ["mremap(file0)"], "t": ["truncate(file0, 0)"]}, files={"file0": 2})
    moved = replace(moved, setup=replace(moved.setup, huge=True))
    wider = [each for each in protocol(generation).repairs if FixMoveHoldsRmap in each.supersedes]
    others = [each for each in protocol(generation).repairs if each not in (FixMoveHoldsRmap, *wider)]
    trip(watched(moved, *others, protocol=generation), "stale-pte")
    for repair in (FixMoveHoldsRmap, *wider):
        assert_silent(watched(moved, *others, repair, protocol=generation), preemptions=2, simple=400)


def test_a_pmd_that_an_unmap_has_cleared_meanwhile_does_not_move() -> None:
    sim = huge({"a": ["mremap(file0)"], "t": ["truncate(file0, 0)"]})
    messages = []
    sim.kernel.on_warn = lambda message, page: messages.append(message)
    run(sim, ("a", "move_huge_pmd.read"), ("t", ""), ("a", ""))
    assert sim.results == [[0], [0]]
    assert messages == []
    assert all(pmd.value is None for pmd in sim.kernel.mms[0].pmds.values())


class NewBeforeOld(Patch):
    """mm: Put the new VMA of mremap in front of the old one, with no lock to make up for it."""

    class mremap(Mremap):
        async def copy_vma(self, vma: Vma, vmas: tuple[Vma, ...], start: int) -> Vma:
            new = await super().copy_vma(vma, vmas, start)
            i_mmap = vma.mapping.i_mmap
            await i_mmap.write((new, *(other for other in await i_mmap.read() if other is not new)))
            return new


class ForgetFlush(Patch):
    """mm: Do not flush what mremap moves."""

    class mremap(Mremap):
        async def move_ptes(self, mm: Mm, old: int, new: int, pages: int) -> None:
            for offset in range(pages):
                await mm.slots[new + offset].write(await mm.slots[old + offset].exchange(None))


@pytest.mark.parametrize(("subsystems", "missed"), [(None, False), ({"mremap": NewBeforeOld.mremap}, True)])
def test_the_order_in_the_tree_is_what_keeps_entries_from_being_missed(subsystems, missed) -> None:
    sim = simulate({"a": ["store(file0, 0)", "mremap(file0)"]}, subsystems=subsystems)
    mapping = sim.kernel.inodes["file0"].i_mapping
    add_task(sim, "u", lambda: sim.kernel.memory.unmap_mapping_pages(mapping, 0, 1))
    mm = sim.kernel.mms[0]
    left = []
    # The walk is between the two VMAs while the entries move.
    run(
        sim,
        ("a", "move_ptes.lock"),
        ("u", "tlb_gather_mmu.add"),
        ("u", "+"),
        ("u", "tlb_gather_mmu.add"),
        ("a", "unlink_file_vma.lock"),
        ("u", ""),
        lambda: left.append(any(slot.value is not None for slot in mm.slots.values())),
    )
    assert left == [missed]


def test_a_move_without_a_flush_leaves_translations() -> None:
    tasks = {"a": ["store(file0, 0)", "mremap(file0)", "munmap(file0)"], "t": ["truncate(file0, 0)"]}
    for patches in ((), (ForgetFlush,)):
        sim = simulate(tasks, subsystems={"mremap": ForgetFlush.mremap} if patches else None)
        left = []
        run(
            sim,
            ("a", "move_ptes.write"),
            ("a", "unlink_file_vma.lock"),
            lambda sim=sim, left=left: left.append(dict(sim.kernel.tlb_of(sim.task("a")).entries)),
        )
        assert bool(left[0]) == bool(patches)
