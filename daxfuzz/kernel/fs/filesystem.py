"""What the rest of the kernel asks a file system, and what the VFS does first (fs/open.c, fs/read_write.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.errno import EOPNOTSUPP
from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import Dmap
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault, VmFault
    from daxfuzz.sim import Lock


class Falloc(StrEnum):
    """Modes of fallocate, FALLOC_FL_ left out. ALLOCATE is mode 0; PUNCH_HOLE always comes with KEEP_SIZE."""

    PUNCH_HOLE = "PUNCH_HOLE"
    ZERO_RANGE = "ZERO_RANGE"
    COLLAPSE_RANGE = "COLLAPSE_RANGE"
    INSERT_RANGE = "INSERT_RANGE"
    ALLOCATE = "ALLOCATE"
    KEEP_SIZE = "KEEP_SIZE"


class Iomap(NamedTuple):
    """struct iomap and its source: the extent at a file page.

    pfn: its block, None for a hole or an unwritten extent that is read.
    new: IOMAP_F_NEW, just allocated.
    shared: IOMAP_F_SHARED, other file pages have the block, too; a write gets `pfn` for its copy of `source`.
    dirty: IOMAP_F_DIRTY, metadata is not durable yet. Only writes look at it, so lookups for reads leave it out.
    pages: length from the file page on; the blocks are contiguous.
    error: a negative errno in place of an extent.
    private: what iomap_end gets back (fuse: the range that it holds).
    """

    pfn: int | None
    new: bool = False
    shared: bool = False
    source: int | None = None
    dirty: bool = False
    pages: int = 1
    error: int = 0
    private: Dmap | None = None


UserCopy = Callable[[bool], Awaitable[bool]]
"""Touches the user's buffer, as copy_from_user does, and faults it in unless the argument says that faults are
disabled (pagefault_disable); False for -EFAULT."""


class Filesystem(Subsystem):
    """One file system. Sizes, offsets and lengths are in pages.

    reflinks: whether files can share blocks.
    huge: whether faults can be served with a PMD.
    """

    name = ""
    reflinks = False
    huge = True

    vm_flags: ClassVar[int] = 0
    """What its f_op->mmap adds to the flags of a VMA."""

    durable_metadata: ClassVar[bool] = False
    """Whether it calls SuperBlock.on_sealed and on_durable, so that a crash can be judged."""

    logs_committed: ClassVar[bool] = False
    """Whether only what transactions have committed becomes durable with the log; on_logged tells."""

    writes_removed: ClassVar[bool] = False
    """Whether fallocate writes back what it is about to remove, after it has locked out who could write there again."""

    logs_size: ClassVar[bool] = False
    """Whether i_size changes in a transaction only; xfs sets that of the VFS before it begins one."""

    leases_layouts: ClassVar[bool] = False
    """Whether who changes a file waits for NFS clients that have leased its layout."""

    freezes: ClassVar[bool] = True
    """Whether it has s_op->freeze_fs. If not, nobody can freeze it, and nothing calls sync_fs and freeze_fs."""

    caches_unused_inodes: ClassVar[bool] = True
    """Whether an inode with a name outlives its dentries: not with s_op->drop_inode = generic_delete_inode."""

    frees_inodes: ClassVar[bool] = True
    """Whether an evicted inode is freed after a grace period (s_op->free_inode); xfs has it reclaimed much later."""

    char_device = False
    """Whether it is no file system but a character device, whose inode the page map keeps."""

    holds_device = False
    """Whether it registers as the holder of its DAX device, to be told of failures."""

    # -- for observers -----------------------------------------------------------------------------------------------

    def transaction(self) -> Lock | None:
        """What is held while a transaction is open, for observers; None if there are no transactions."""
        return None

    def extent_lock(self, inode: Inode) -> Lock | None:
        """What whoever changes the extents of a file holds exclusively, for observers; None if the server knows."""
        return None

    # -- set-up, before the world is sealed --------------------------------------------------------------------------

    def device_pages(self, files: Mapping[str, int]) -> int:
        """Pages of the DAX device, for files of these sizes in pages."""
        return max(sum(files.values()) + self.k.machine.spare_blocks, 1)

    def make(self) -> None:
        """Lay the files out, which start as holes, and make what the mount needs beside inodes."""

    def prefault_blocks(self, inode: Inode, index: int, pages: int) -> range:
        """Allocate for so many file pages, or for one if there are no such contiguous and aligned blocks."""
        blocks = self.k.allocator.find(pages)
        for offset, pfn in enumerate(blocks):
            self.k.allocator.table[pfn] = ((inode.number, index + offset),)
            inode.extents[index + offset].value = pfn
        return blocks

    def prefault(self, inode: Inode, huge: bool = False) -> None:
        """Allocate all blocks of a file, as far as there are any, and write-fault them into every mapping, before the
        world is sealed.

        Blocks that files share are as FICLONERANGE leaves them: nobody maps them, and only the file that had them
        first has entries for them, which are clean.

        huge: with PMD entries, as far as whole PMDs of the file get contiguous and aligned blocks.
        """
        index = 0
        while index < len(inode.extents):
            pfn = mapped_block(inode.extents[index].value)
            if pfn is not None:
                if self.k.allocator.table[pfn][0] == (inode.number, index):
                    self._prefault_entry(inode, index, range(pfn, pfn + 1))
                index += 1
                continue
            left = len(inode.extents) - index
            pages = self.k.machine.pmd_pages
            size = pages if huge and left >= pages and index % pages == 0 else 1
            blocks = self.prefault_blocks(inode, index, size)
            if not blocks:
                return
            self._prefault_blocks(inode, index, blocks)
            index += len(blocks)

    def _prefault_blocks(self, inode: Inode, index: int, blocks: range) -> None:
        """One page, or one PMD if there are as many blocks."""
        huge = len(blocks) > 1
        self._prefault_entry(inode, index, blocks)
        inode.i_mapping.i_pages.marks[Mark.DIRTY].append(index)
        head = self.k.pages[blocks[0]]
        for vma in inode.i_mapping.i_mmap.value:
            address = vma.start + index
            leaf = Pte(blocks[0], write=True, dirty=True)
            if huge:
                vma.mm.pmd(address).value = leaf
            else:
                vma.mm.pmd(address).value = TABLE
                vma.mm.slots[address].value = leaf
            head.refcount.value += self.k.memory.pte_references()
            head.mapcount.value += self.k.memory.pte_references()

    def _prefault_entry(self, inode: Inode, index: int, blocks: range) -> None:
        """The entry for one page or one PMD, clean."""
        i_pages = inode.i_mapping.i_pages
        entry = Entry(blocks[0], pmd=len(blocks) > 1)
        for pfn in blocks:
            self.k.pages[pfn].refcount.value += self.k.dax.entry_references(Entry(pfn))
        i_pages.entries[index] = entry
        self.k.dax.prefault_association(entry, inode.i_mapping, index)
        self.k.pgmap.ref.count += self.k.memremap.entry_pgmap_references(entry)
        if entry.pmd:
            i_pages.spans[index] = len(blocks)

    # -- mappings ------------------------------------------------------------------------------------------------

    async def mmap(self, inode: Inode, flags: int) -> int:
        """f_op->mmap: 0 or a negative error. flags: of VmFlag."""
        return 0

    async def notify_failure(self, first: int, pages: int, flags: int) -> int:
        """dax_holder_operations->notify_failure: blocks have failed; called inside a section of dax_srcu."""
        raise NotImplementedError

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """vm_ops->fault, ->huge_fault and ->pfn_mkwrite"""
        raise NotImplementedError

    def iomap_begin(
        self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
    ) -> Awaitable[Iomap | None]:
        """Look the extent up, allocating it for a write; None if the device is full.

        pages: how many the caller could use; the answer has at most so many.
        fault: IOMAP_FAULT.
        """
        raise NotImplementedError

    async def iomap_end(self, inode: Inode, index: int, write: bool, iomap: Iomap, written: int) -> int:
        """The end of the use of an extent. written: pages, 0 after a failure. 0 or a negative error."""
        return 0

    # -- system calls --------------------------------------------------------------------------------------------

    async def do_open(self, inode: Inode, truncate: bool) -> int:
        """open(2) of a file that was found by its name, with O_TRUNC or not: 0 or a negative error."""
        return await self.do_truncate(inode, 0) if truncate else 0

    async def do_truncate(self, inode: Inode, size: int) -> int:
        """ftruncate(2): i_rwsem around notify_change."""
        await self.k.sb.writers.down_read()
        await inode.i_rwsem.down_write()
        error = await self.setattr_size(inode, size)
        await inode.i_rwsem.up_write()
        await self.k.sb.writers.up_read()
        return error

    async def do_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """vfs_fallocate"""
        await self.k.sb.writers.down_read()
        error = await self.fallocate(inode, mode, first, length)
        await self.k.sb.writers.up_read()
        return error

    async def do_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None = None) -> int:
        """vfs_write of one page. copy: the access to the user's buffer, where that may fault."""
        await self.k.sb.writers.down_read()
        written = await self.write_iter(inode, index, value, copy)
        await self.k.sb.writers.up_read()
        return written

    def setattr_size(self, inode: Inode, size: int) -> Awaitable[int]:
        """notify_change with ATTR_SIZE; i_rwsem is held: 0 or a negative error."""
        raise NotImplementedError

    def fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """f_op->fallocate, which takes its locks itself: 0 or a negative error."""
        raise NotImplementedError

    def write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> Awaitable[int]:
        """f_op->write_iter of one page (O_DIRECT is the same on DAX): 0 or a negative error."""
        raise NotImplementedError

    async def ioctl_file_clone(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
        """ioctl(FICLONERANGE): let pages of `dest` share the blocks of `source`: 0 or a negative error."""
        return -EOPNOTSUPP

    async def ioctl_file_dedupe_range(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
        """ioctl(FIDEDUPERANGE): the same for pages with the same contents: 0, -EBADE if they differ, or an error."""
        return -EOPNOTSUPP

    def fsync(self, inode: Inode) -> Awaitable[int]:
        """fsync: 0 or a negative error."""
        return self.vfs_fsync_range(inode, 0, len(inode.extents) - 1)

    def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> Awaitable[int]:
        """fsync of a range of file pages, both ends included: 0 or a negative error."""
        raise NotImplementedError

    def unlink(self, inode: Inode) -> Awaitable[int]:
        """i_op->unlink of the only name; i_rwsem of file and directory are held: 0 or a negative error."""
        raise NotImplementedError

    # -- life of the inode and the super block -------------------------------------------------------------------

    def evict_inode(self, inode: Inode) -> Awaitable[None]:
        """s_op->evict_inode; nobody refers to the inode any more."""
        raise NotImplementedError

    def sync_fs(self) -> Awaitable[None]:
        """s_op->sync_fs: make all metadata durable."""
        raise NotImplementedError

    def freeze_fs(self) -> Awaitable[None]:
        """s_op->freeze_fs; all levels are frozen."""
        raise NotImplementedError

    async def inodegc(self) -> int:
        """The worker that frees the blocks of files that are gone, where there is one: it waits for one of them."""
        return -EOPNOTSUPP

    async def unfreeze_fs(self) -> None:
        """s_op->unfreeze_fs"""
        return
