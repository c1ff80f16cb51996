"""Faults that race with each other, with writes and with the removal of blocks, and what they map in the end."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import ZERO, Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap, UserCopy
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte, Vma, VmFlag
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.bugs.kinds import OLD_DATA
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_entry
from daxfuzz.protocols.repairs.mkclean_flushes import FixMkcleanFlushes
from daxfuzz.protocols.repairs.write_keeps_entries import FixWriteKeepsEntries


class FaultMapsStaleHoleVsWrite(Bug):
    """A fault asks the file system for the block before it locks the entry.

    A read fault learns that there is a hole. write(2) allocates a block, invalidates what mappings made of the hole,
    which is nothing yet, and writes; then the fault maps the zero page.
    """

    number = "6"
    fix = "13e451fdc1af, 876f29460cbd"
    release = "v4.12"
    category = "stale mapping"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs")
    kinds: ClassVar = OLD_DATA

    class dax_fault(DaxFault):
        async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
            mapping = vmf.vma.mapping
            if vmf.index >= await mapping.host.i_size.read():
                return VmFault.SIGBUS
            write = vmf.write and vmf.cow_page is None
            iomap = await self.k.fs.iomap_begin(mapping.host, vmf.index, write, fault=True)
            if iomap is None or iomap.error:
                vmf.error = 0 if iomap is None else iomap.error
                return VmFault.SIGBUS
            xas = XaState(mapping.i_pages, vmf.index)
            entry = await self.k.dax.grab_mapping_entry(mapping, xas, 1)
            result = VmFault.NOPAGE
            if not await self.raced_with_pmd(vmf):
                result, entry = await self.dax_fault_iter(vmf, xas, entry, iomap)
            written = 0 if result in (VmFault.SIGBUS, VmFault.OOM) else 1
            await self.k.fs.iomap_end(mapping.host, vmf.index, write, iomap, written)
            await self.k.dax.dax_unlock_entry(mapping, xas, entry)
            return result


class FaultVsPunchUnserialised(Bug):
    """Faults take no lock against the removal of blocks.

    Punch hole has unmapped a range and deleted its entries. A fault looks up the block, which is still there, and maps
    it, and then the block is freed.
    """

    number = "13"
    fix = "ea3d7209ca01, 6ae330cad6ef"
    release = "v4.5"
    category = "stale mapping"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4",)
    kinds: ClassVar = (*OLD_DATA, "freed-while-pinned", "freed-while-referenced", "association", "unlocked-access")

    class ext4(Ext4):
        async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
            if not (vmf.write and vmf.vma.flags & VmFlag.SHARED):
                return await self.k.dax_fault.dax_iomap_fault(vmf)
            await self.k.sb.pagefault.down_read()
            result = await self.ext4_write_fault(vmf)
            if result is VmFault.NEEDDSYNC:
                result = await self.k.dax_fault.dax_finish_sync_fault(vmf)
            await self.k.sb.pagefault.up_read()
            return result


class UnlockedConcurrentFaults(Bug):
    """Faults on one page do not wait for each other.

    A read fault and a write fault both find a hole. The write fault allocates a block and maps it; the read fault,
    which still believes in the hole, maps the zero page in another process. Only the entry itself changes under a lock.
    """

    number = "14"
    fix = "ac401cc78242"
    release = "v4.7"
    category = "stale mapping"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4",)
    kinds: ClassVar = OLD_DATA

    class dax_fault(DaxFault):
        async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
            mapping = vmf.vma.mapping
            if vmf.index >= await mapping.host.i_size.read():
                return VmFault.SIGBUS
            write = vmf.write and vmf.cow_page is None
            iomap = await self.k.fs.iomap_begin(mapping.host, vmf.index, write, fault=True)
            if iomap is None or iomap.error:
                return VmFault.SIGBUS
            if vmf.cow_page is not None:
                return await self.dax_fault_cow_page(vmf, iomap)
            new = ZERO if iomap.pfn is None else Entry(iomap.pfn)
            xas = XaState(mapping.i_pages, vmf.index)
            entry = await self.k.dax.grab_mapping_entry(mapping, xas, 1)
            _, entry = await self.k.dax.dax_insert_entry(xas, vmf, iomap, entry, new)
            await self.k.dax.dax_unlock_entry(mapping, xas, entry)
            return await self.insert_pfn(vmf, Pte(new.pfn, write=write, dirty=write, zero=new.zero), new.pfn)


class PmdPteFaultCollision(Bug):
    """A fault does not look again at the PMD entry once it has the entry's lock.

    A fault for a page has seen no PMD entry, and waits for the lock of the one that installs it: then it takes the
    file's data for a page table. Or a fault for a PMD comes second, to a page table.
    """

    number = "18"
    fix = "e2093926a098"
    release = "v4.12"
    category = "page table"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("kernel-warning", "refcount-mismatch", "stale-pte")

    class dax_fault(DaxFault):
        async def raced_with_pmd(self, vmf: Fault) -> bool:
            return False

        async def raced_with_pte(self, vmf: Fault) -> bool:
            return False


class MkcleanMissesSecondMapping(Bug):
    """fsync write-protects only what maps the first page of a huge entry.

    One process maps a PMD, another one its pages one by one, and writes to the second. fsync leaves that page-table
    entry writable, so that the next store raises no fault, and the next fsync finds nothing to write.
    """

    number = "23"
    fix = "06083a0921fd"
    release = "v5.19"
    category = "lost data"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs")
    kinds: ClassVar = ("lost-dirty-data",)

    class dax_writeback(FixMkcleanFlushes.dax_writeback):
        async def pfn_mkclean_range(self, vma: Vma, pfn: int, pages: int, index: int) -> None:
            await super().pfn_mkclean_range(vma, pfn, 1, index)


class BreakLayoutZapsPrivateCow(Bug):
    """The search for busy pages unmaps private copies.

    A process has written to its private mapping. Somebody punches a hole elsewhere in the file; the copy is gone, and
    the process reads what the file holds.
    """

    number = "24"
    fix = "d75996dd022b"
    release = "v5.3"
    category = "lost data"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("stale-data", "cow-ownership")

    class dax(Dax):
        async def dax_layout_busy_page(
            self, mapping: AddressSpace, first: int = 0, last: int | None = None
        ) -> Page | None:
            end = len(mapping.host.extents) if last is None else last + 1
            await self.k.memory.unmap_mapping_pages(mapping, first, end - first, even_cows=True)
            return await super().dax_layout_busy_page(mapping, first, last)


class StaleHugeZeroPage(Bug):
    """A write into a hole does not unmap what mappings made of it.

    Somebody has read the hole through a mapping, and has a zero page there. write(2) allocates a block and deletes the
    entry of the hole, but the page-table entry stays, and loads go on to return zeroes.
    """

    number = "C4"
    fix = "cd656375f946"
    release = "v4.12"
    category = "stale mapping"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    kinds: ClassVar = OLD_DATA

    class dax_io(FixWriteKeepsEntries.dax_io):
        async def dax_iomap_iter(
            self, inode: Inode, index: int, iomap: Iomap, value: int, copy: UserCopy | None
        ) -> int:
            if iomap.new:
                await invalidate_entry(self.k, inode.i_mapping, index, lambda entry: not entry.real)
            return await super(FixWriteKeepsEntries.dax_io, self).dax_iomap_iter(inode, index, iomap, value, copy)
