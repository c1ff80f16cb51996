"""Page faults, and the removal of mappings (mm/memory.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable
from enum import StrEnum
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import TABLE, Mm, Pte, Vma, VmFlag
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.tlb import MmuGather


class VmFault(StrEnum):
    """vm_fault_t, as far as callers act on it; NOPAGE also stands for 0: done, the access may be tried again."""

    NOPAGE = "VM_FAULT_NOPAGE"
    DONE_COW = "VM_FAULT_DONE_COW"
    OOM = "VM_FAULT_OOM"
    RETRY = "VM_FAULT_RETRY"
    """To a fault that is not to wait: it would have had to. mmap_lock is still held."""
    SIGBUS = "VM_FAULT_SIGBUS"
    FALLBACK = "VM_FAULT_FALLBACK"
    """Not with an entry of this size; try a smaller one."""
    NEEDDSYNC = "VM_FAULT_NEEDDSYNC"
    """Nothing is mapped before the file's metadata is durable; within a file system only."""


class Fault:
    """struct vm_fault: one fault on one address, to be served with an entry of a page, a PMD or a PUD.

    index: the file page (pgoff).
    pages: how many pages the entry is to map (the order that huge_fault is asked for).
    unshare: FAULT_FLAG_UNSHARE, for a read-only pin of a page that may be shared with other processes.
    nowait: FAULT_FLAG_RETRY_NOWAIT, rather fail than wait for a page.
    cow_page: the page to fill, for a write to a private mapping.
    pfn: first page of what a NEEDDSYNC fault is to map once that is durable (pfnp).
    error: why the file system had no extent for it, 0 or a negative errno (iomap_errp).
    busy: not in any kernel: the page that a repair of F-25 has to wait for before the fault can be served.
    """

    __slots__ = ("address", "busy", "cow_page", "error", "index", "nowait", "pages", "pfn", "unshare", "vma", "write")

    def __init__(
        self, vma: Vma, address: int, write: bool, pages: int = 1, unshare: bool = False, nowait: bool = False
    ) -> None:
        self.vma = vma
        self.address = address
        self.index = address - vma.start
        self.write = write
        self.pages = pages
        self.pfn = -1
        self.error = 0
        self.unshare = unshare
        self.nowait = nowait
        self.cow_page: Page | None = None
        self.busy: Page | None = None


class Memory(Subsystem):
    """Fault handling down to the page-table entry, and zapping up from the file."""

    def pte_references(self) -> int:
        """References that a page-table entry holds on the folio it maps, for observers."""
        return 0

    async def find_vma(self, mm: Mm, address: int) -> Vma | None:
        """The VMA that covers an address; mmap_lock is held."""
        for vma in await mm.vmas.read():
            if vma.start <= address < vma.end:
                return vma
        return None

    async def do_user_addr_fault(self, mm: Mm, address: int, write: bool) -> str:
        """A processor's page fault: "" if the access may be tried again, else the name of the signal it gets."""
        await mm.mmap_lock.down_read()
        vma = await self.find_vma(mm, address)
        fault = None if vma is None else await self.handle_mm_fault(vma, address, write)
        await mm.mmap_lock.up_read()
        if fault is None:
            return "SIGSEGV"
        if fault is VmFault.OOM:
            return "SIGKILL"
        return "SIGBUS" if fault is VmFault.SIGBUS else ""

    async def handle_mm_fault(
        self, vma: Vma, address: int, write: bool, unshare: bool = False, nowait: bool = False
    ) -> VmFault:
        """A fault on one address of a VMA; mmap_lock is held. First as large as possible, then for a page.

        Known deviation: a PUD is tried only where it is the one size there is. Elsewhere the kernel enters the file
        system once more if there is not even a table of PMDs yet, and falls back.
        """
        if vma.mm.puds:
            return await self.handle_pud_fault(vma, address, write, nowait)
        pmd = await vma.mm.pmd(address).read()
        result = VmFault.FALLBACK
        if pmd is None:
            # hugepage_vma_check: always for DAX, unless somebody forbade it, which nobody can.
            result = await self.create_huge_pmd(vma, address, write, nowait)
        elif isinstance(pmd, Pte):
            if not write or pmd.write:
                await self.k.huge_memory.huge_pmd_set_accessed(vma.mm, address, pmd, write)
                return VmFault.NOPAGE
            result = await self.wp_huge_pmd(vma, address, nowait)
        if result is VmFault.FALLBACK:
            return await self.handle_pte_fault(vma, address, write, unshare, nowait)
        return result

    async def handle_pud_fault(self, vma: Vma, address: int, write: bool, nowait: bool) -> VmFault:
        """The part of __handle_mm_fault for the PUD entry, which permits every access if there is one."""
        pud = await vma.mm.pud(address).read()
        if pud is None:
            return await self.create_huge_pud(vma, address, write, nowait)
        await self.k.huge_memory.huge_pud_set_accessed(vma.mm, address, pud, write)
        return VmFault.NOPAGE

    def create_huge_pud(self, vma: Vma, address: int, write: bool, nowait: bool) -> Awaitable[VmFault]:
        """Have the file system map a whole PUD, where nothing is mapped."""
        return self.k.fs.dax_fault(Fault(vma, address, write, vma.mm.pud_pages, nowait=nowait))

    def create_huge_pmd(self, vma: Vma, address: int, write: bool, nowait: bool) -> Awaitable[VmFault]:
        """Have the file system map a whole PMD, where nothing is mapped."""
        return self.k.fs.dax_fault(Fault(vma, address, write, vma.mm.pmd_pages, nowait=nowait))

    async def wp_huge_pmd(self, vma: Vma, address: int, nowait: bool) -> VmFault:
        """A write to a PMD entry that does not permit it: make it writable, or split it."""
        result = await self.k.fs.dax_fault(Fault(vma, address, True, vma.mm.pmd_pages, nowait=nowait))
        if result is VmFault.FALLBACK:
            await self.k.huge_memory._split_huge_pmd(vma.mm, address)
        return result

    async def handle_pte_fault(self, vma: Vma, address: int, write: bool, unshare: bool, nowait: bool) -> VmFault:
        """Enter the file system if there is no entry, or if a write needs a writable one.

        If a PMD entry has come meanwhile, the access is tried again. A table stays as long as mmap_lock is held.
        """
        mm = vma.mm
        slot = mm.slots[address]
        orig = None
        pmd = mm.pmd(address)
        table = await pmd.read()
        if table is not None:
            if table is not TABLE and await self.pmd_devmap_trans_unstable(mm, address):
                return VmFault.NOPAGE
            orig = await slot.read()
        if orig is None:
            return await self.do_fault(Fault(vma, address, write, unshare=unshare, nowait=nowait))
        ptl = mm.ptl(address)
        await ptl.acquire()
        same = await slot.read() == orig
        if same and (write or unshare) and not orig.write and not vma.flags & VmFlag.SHARED:
            return await self.k.cow.do_wp_page(Fault(vma, address, write, unshare=unshare), orig)
        await ptl.release()
        if same and write and not orig.write:
            # do_wp_page: a device entry of a shared mapping goes through wp_pfn_shared to pfn_mkwrite.
            return await self.k.fs.dax_fault(Fault(vma, address, write, nowait=nowait))
        return VmFault.NOPAGE

    def do_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """No entry: do_read_fault and do_shared_fault, or do_cow_fault for a write to a private mapping."""
        if vmf.write and not vmf.vma.flags & VmFlag.SHARED:
            return self.k.cow.do_cow_fault(vmf)
        return self.k.fs.dax_fault(vmf)

    async def pmd_devmap_trans_unstable(self, mm: Mm, address: int) -> bool:
        """Whether a PMD entry is no table: it is a leaf, or it was one and is none again."""
        return await mm.pmd(address).read() is not TABLE

    async def pte_alloc(self, mm: Mm, address: int, may_fail: bool = True) -> bool:
        """Have a page table at an address: look without the lock, and install one under it. False without memory.

        The kernel does not look for a leaf here: who comes holds the entry lock and has looked. It would take the
        file's data for a page table.
        may_fail: Known deviation: fork and mremap always get the memory that they need.
        """
        pmd = mm.pmd(address)
        found = await pmd.read()
        if found is not None:
            if found is not TABLE:
                self.k.bug("walk_to_pmd: a PMD entry is taken for a page table")
            return True
        if self.k.machine.low_memory and not await self.k.page_alloc.reclaim_and_charge() and may_fail:
            return False
        await mm.pmd_lock.acquire()
        if await pmd.read() is None:
            await pmd.write(TABLE)
        await mm.pmd_lock.release()
        return True

    async def vmf_insert_mixed(self, vmf: Fault, new: Pte) -> VmFault:
        """insert_pfn: set the entry if there is none; make the one that is there writable, if it is for this page.

        new: dirty for what the kernel has vmf_insert_mixed_mkwrite for; else an entry that is there stays.
        OOM without memory for a page table.
        """
        mm = vmf.vma.mm
        if not await self.pte_alloc(mm, vmf.address):
            return VmFault.OOM
        slot = mm.slots[vmf.address]
        ptl = mm.ptl(vmf.address)
        await ptl.acquire()
        old = await slot.read()
        if old is None:
            await slot.write(new)
        elif new.dirty:
            if old.pfn == new.pfn and not old.zero:
                await slot.write(new)
            elif not old.zero:
                self.k.warn("insert_pfn: another page is mapped here", None)
        await ptl.release()
        return VmFault.NOPAGE

    def unmap_page_range(self, tlb: MmuGather, addresses: range, even_cows: bool = True) -> Awaitable[None]:
        """Clear what maps a range, PUD by PUD or PMD by PMD; the flush comes when the gather finishes.

        even_cows: also the anonymous pages in private mappings, which are no pages of the file any more.
        """
        mm = tlb.mm
        if mm.puds:
            return self.zap_pud_range(tlb, addresses)
        if addresses and addresses.start // mm.pmd_pages == addresses[-1] // mm.pmd_pages:
            return self.zap_pmd_range(tlb, addresses, even_cows)
        return self.unmap_pmd_ranges(tlb, addresses, even_cows)

    async def unmap_pmd_ranges(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
        """The loop of unmap_page_range, where it takes more than one turn."""
        first = addresses.start
        while first < addresses.stop:
            stop = tlb.mm.pmd_addr_end(first, addresses.stop)
            await self.zap_pmd_range(tlb, range(first, stop), even_cows)
            first = stop

    async def zap_pud_range(self, tlb: MmuGather, addresses: range) -> None:
        """Clear the PUD entries that map a range, each as a whole, even if only a part of it should go."""
        mm = tlb.mm
        first = addresses.start
        while first < addresses.stop:
            stop = mm.pud_addr_end(first, addresses.stop)
            if await mm.pud(first).read() is not None:
                if stop - first != mm.pud_pages:
                    await self.k.huge_memory.split_huge_pud(mm, first)
                else:
                    await self.k.huge_memory.zap_huge_pud(tlb, first)
            first = stop

    async def zap_pmd_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
        """Clear what maps a range below one PMD entry. A leaf goes as a whole, even if only a part of it should."""
        mm = tlb.mm
        pmd = mm.pmd(addresses.start)
        found = await pmd.read()
        if isinstance(found, Pte):
            if len(addresses) != mm.pmd_pages:
                await self.k.huge_memory._split_huge_pmd(mm, addresses.start)
            elif await self.k.huge_memory.zap_huge_pmd(tlb, addresses.start):
                return
            # pmd_none_or_trans_huge_or_clear_bad
            found = await pmd.read()
        if found is TABLE:
            await self.zap_pte_range(tlb, addresses, even_cows)

    async def zap_pte_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
        """Clear the entries of one page table under its lock."""
        mm = tlb.mm
        ptl = mm.ptl(addresses[0])
        await ptl.acquire()
        for address in addresses:
            slot = mm.slots[address]
            # Nobody else changes what is there: only where something may be spared is it worth a look beforehand.
            if not even_cows and mm.anon_vma and self.k.is_ram(await slot.read()):
                continue
            pte = await slot.exchange(None)
            if pte is None:
                continue
            tlb.addresses.append(address)
            if mm.anon_vma and self.k.is_ram(pte):
                page = self.k.pages[pte.pfn]
                await page.mapcount.add(-1)
                tlb.pages.append(page)
        await ptl.release()

    async def unmap_mapping_range_vma(self, vma: Vma, first: int, last: int, even_cows: bool) -> None:
        """zap_page_range_single"""
        tlb = await self.k.tlb.tlb_gather_mmu(vma.mm)
        await self.unmap_page_range(tlb, vma.addresses(first, last), even_cows)
        await self.k.tlb.tlb_finish_mmu(tlb)

    async def unmap_mapping_pages(self, mapping: AddressSpace, start: int, nr: int, even_cows: bool = False) -> None:
        """Remove all mappings of `nr` file pages from `start`, in every VMA that i_mmap knows.

        even_cows: also private copies, as truncation does, and nobody else.
        """
        await mapping.i_mmap_rwsem.down_read()
        for vma in await mapping.i_mmap.read():
            if start < vma.pages:
                await self.unmap_mapping_range_vma(vma, start, start + nr - 1, even_cows)
        await mapping.i_mmap_rwsem.up_read()
