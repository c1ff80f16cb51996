"""page-table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.machine import Align
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.mm import Mm, Pte, Vma
from daxfuzz.kernel.mmap import Mmap
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.tlb import MmuGather, TlbFlush
from daxfuzz.oracles.page_tables import PageTables
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.sim import SpinLock

SHARED = {"mm0": ("mapper", "other")}
FAULT = program({"mapper": ["store(file0, 0)"]}, prefault=False)
PIN = program({"pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"]})
SLOW = program({"pinner": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"]})
SYNC = program({"syncer": ["store(file0, 0)", "fsync(file0)"]})
UNMAP = program({"mapper": ["store(file0, 0)", "munmap(file0)"]})
DROP = program({"mapper": ["madvise(file0, MADV_DONTNEED, 0, 1)"]})
EXIT = program({"mapper": ["store(file0, 0)", "exit()"]})
THREADS = program({"mapper": ["store(file0, 0)", "munmap(file0)"], "other": ["load(file0, 0)"]}, mms=SHARED)
TWO_GATHERS = program(
    {"mapper": ["madvise(file0, MADV_DONTNEED, 0, 1)"], "other": ["madvise(file0, MADV_DONTNEED, 0, 1)"]}, mms=SHARED
)


class WalkWithInterruptsOn(Patch):
    """gup: Walk page tables with interrupts on."""

    class gup(Gup):
        async def lockless_pages_from_mm(self, mm: Mm, addresses: range, flags: int) -> list[Page]:
            pages: list[Page] = []
            await self.gup_pud_range(mm, addresses, flags, pages)
            return pages


class LookBeforeLock(Patch):
    """mm: Set an entry by what was there before its lock was taken."""

    class memory(Memory):
        async def vmf_insert_mixed(self, vmf: Fault, new: Pte) -> VmFault:
            mm = vmf.vma.mm
            await self.pte_alloc(mm, vmf.address)
            old = await mm.slots[vmf.address].read()
            await mm.ptl(vmf.address).acquire()
            if old is None:
                await mm.slots[vmf.address].write(new)
            await mm.ptl(vmf.address).release()
            return VmFault.NOPAGE


class LookWithoutTable(Patch):
    """mm: Look at the entry of a page before there is a table."""

    class memory(Memory):
        async def handle_pte_fault(self, vma: Vma, address: int, write: bool, unshare: bool, nowait: bool) -> VmFault:
            await vma.mm.slots[address].read()
            return await super().handle_pte_fault(vma, address, write, unshare, nowait)


class CleanInPlace(Patch):
    """dax: Put a clean entry over a dirty one."""

    class dax_writeback(DaxWriteback):
        async def pte_mkclean_range(self, mm: Mm, addresses: range, pfns: range) -> None:
            for address in addresses:
                await mm.ptl(address).acquire()
                old = await mm.slots[address].read()
                if old is not None:
                    await mm.slots[address].write(Pte(old.pfn))
                    await self.k.tlb.flush_tlb_mm_range(mm, [address])
                await mm.ptl(address).release()


class CleanWithoutFlush(Patch):
    """dax: Clean entries and do not flush."""

    class dax_writeback(DaxWriteback):
        async def pte_mkclean_range(self, mm: Mm, addresses: range, pfns: range) -> None:
            for address in addresses:
                await mm.ptl(address).acquire()
                old = await mm.slots[address].exchange(None)
                if old is not None:
                    await mm.slots[address].write(Pte(old.pfn))
                await mm.ptl(address).release()


class CleanNothing(Patch):
    """dax: Write back, and leave entries writable."""

    class dax_writeback(DaxWriteback):
        async def pte_mkclean_range(self, mm: Mm, addresses: range, pfns: range) -> None:
            return


class FreeTablesFirst(Patch):
    """mm: Take tables away while the VMA is in the file's tree."""

    class mmap(Mmap):
        async def free_pgtables(self, vma: Vma) -> None:
            for address in range(vma.start, vma.end, vma.mm.pmd_pages):
                await vma.mm.pmd(address).write(None)
            await self.unlink_file_vma(vma)


class KeepEntries(Patch):
    """mm: Take tables away with what is in them."""

    class memory(Memory):
        async def zap_pte_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
            return


class KeepRegion(Patch):
    """mm: Forget a VMA, and leave what it has mapped."""

    class mmap(Mmap):
        async def unmap_region(self, vma: Vma) -> None:
            await self.unlink_file_vma(vma)


class KeepVmas(Patch):
    """mm: Leave the VMAs of a mm that nobody uses."""

    class mmap(Mmap):
        async def exit_mmap(self, mm: Mm) -> None:
            return


class EndTooEarly(Patch):
    """mm: End a gather before it flushes."""

    class tlb(TlbFlush):
        async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
            await tlb.mm.tlb_flush_pending.add(-1)
            await self.tlb_flush_mmu(tlb)


class NeverEnd(Patch):
    """mm: Begin gathers and do not end them."""

    class tlb(TlbFlush):
        async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
            await self.tlb_flush_mmu(tlb)


class IgnoreOthers(Patch):
    """mm: Flush only what the gather itself has cleared (before 99baac21e458, v4.13)."""

    class tlb(TlbFlush):
        async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
            await self.tlb_flush_mmu(tlb)
            await tlb.mm.tlb_flush_pending.add(-1)


class FollowUnlocked(Patch):
    """gup: Take a reference after the lock of the entry is gone."""

    class gup(Gup):
        async def try_grab_page(self, page: Page, flags: int) -> bool:
            held = [lock for lock in reversed(self.k.world.current.held) if isinstance(lock, SpinLock)]
            locks = [lock for lock in held if lock.lock_class == "ptl"]
            for lock in locks:
                await lock.release()
            grabbed = await super().try_grab_page(page, flags)
            for lock in locks:
                await lock.acquire()
            return grabbed


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (PIN, WalkWithInterruptsOn, "looks at mm0.pmd0.0 with nothing that keeps the table"),
        (FAULT, LookBeforeLock, "stores mm0.pte0.0 without a look since it took mm0.ptl0.0"),
        (FAULT, LookWithoutTable, "looks at mm0.pte0.0, where there is no table"),
        (SYNC, CleanInPlace, "puts pfn 0 over pfn 0|W|D in mm0.pte0.0"),
        (UNMAP, FreeTablesFirst, "takes a table from mm0.pmd0.0, to which a VMA leads"),
        (UNMAP, KeepEntries, "takes a table with entries from mm0.pmd0.0"),
        (UNMAP, KeepRegion, "where mm0 has no VMA"),
        (EXIT, KeepVmas, "mm0 has VMAs, and nobody uses it"),
        (SYNC, CleanWithoutFlush, "gives mm0.ptl0.0 up before it has flushed"),
        (DROP, EndTooEarly, "ends a gather of mm0 before it has flushed"),
        (UNMAP, NeverEnd, "gathers of mm0 never end"),
        (SLOW, FollowUnlocked, "takes a reference of page 0, of which it has none, with no lock"),
        (SYNC, CleanNothing, "leaves file0[0] clean, which mm0 maps for writing"),
    ],
)
def test_each_rule_is_asked_for(of: Program, patch: type[Patch], said: str) -> None:
    (execution,) = executions(simulate(of, patch, oracles=[PageTables]), simple=1, random=0)
    found = [each for each in (execution.violation, *execution.deferred) if each is not None]
    assert {each.kind for each in found} == {"page-table"}
    assert any(said in each.message for each in found), found


def test_a_gather_flushes_what_it_has_found_cleared_by_another_one() -> None:
    said = trip(simulate(TWO_GATHERS, IgnoreOthers, oracles=[PageTables]), "page-table", random=0).message
    assert "before what it has found cleared is flushed" in said
    assert_silent(simulate(TWO_GATHERS))


def test_while_others_run_the_mm_a_vma_leaves_the_tree_after_the_flush() -> None:
    said = trip(simulate(THREADS, protocol="pin-wait", oracles=[PageTables]), "page-table", simple=1, random=0).message
    assert "takes mm0:file0 from the file's tree before it has flushed" in said
    assert_silent(simulate(THREADS))
    assert_silent(simulate(UNMAP, protocol="pin-wait", oracles=[PageTables]))


def test_where_entries_hold_references_only_dirty_ones_are_flushed_before() -> None:
    huge = program(
        {"mapper": ["store(file0, 0)", "munmap(file0)"], "other": ["load(file0, 0)"]}, mms=SHARED, files={"file0": 2}
    )
    huge = replace(huge, setup=replace(huge.setup, huge=True))
    patched = simulate(huge, protocol="refcount-0", oracles=[PageTables])
    assert "before it has flushed" in trip(patched, "page-table", simple=1, random=0).message
    assert_silent(simulate(huge, protocol="refcount-0-fixed"))
    forgets = "madvise(file0, MADV_DONTNEED, 0, 1)"
    device = program({"mapper": ["store(file0, 0)", "munmap(file0)"], "other": [forgets]}, mms=SHARED, prefault=False)
    device = replace(device, setup=replace(device.setup, align=Align.PUD))
    assert_silent(simulate(device, protocol="refcount-0-fixed", filesystem="device-dax"))
    small = program({"mapper": ["load(file0, 0)", "munmap(file0)"], "other": ["load(file0, 0)"]}, mms=SHARED)
    assert_silent(simulate(small, protocol="refcount-0", oracles=[PageTables]))


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse", "device-dax"])
@pytest.mark.parametrize("protocol", ["pin-wait-fixed", "refcount-0-fixed"])
def test_the_kernel_follows_the_rules(filesystem: str, protocol: str) -> None:
    of = program(
        {
            "mapper": ["store(file0, 0)", "munmap(file0)"],
            "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)", "exit()"],
            "mover": ["mremap(file0)", "madvise(file0, MADV_DONTNEED, 0, 1)"],
        }
    )
    assert_silent(simulate(of, protocol=protocol, filesystem=filesystem), simple=100, random=10)


class CopyUnlocked(Patch):
    """mm: Hold the page of a file for its copy after the page-table lock is gone."""

    class cow(ProperlyRefcountFsDaxPages.cow):
        async def do_wp_page(self, vmf: Fault, orig: Pte) -> VmFault:
            folio = await self.k.pages[orig.pfn].head.read()
            await vmf.vma.mm.ptl(vmf.address).release()
            await folio.refcount.add(1)
            return await self.wp_page_copy(vmf, orig, folio)


def test_a_page_of_a_file_is_held_under_the_lock_of_its_entry() -> None:
    of = program({"copier": ["mmap(file0, MAP_PRIVATE)", "load(file0, 0)", "store(file0, 0)"]})
    patched = simulate(of, CopyUnlocked, protocol="refcount-0-fixed", oracles=[PageTables])
    said = trip(patched, "page-table", simple=1, random=0).message
    assert "takes a reference of page 0, of which it has none, with no lock" in said
    assert_silent(simulate(of, protocol="refcount-0-fixed"))
