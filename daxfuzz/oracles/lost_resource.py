"""What is handed out and never comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import block_of
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Owner
    from daxfuzz.kernel.fs.fuse_conn import FuseConnDax
    from daxfuzz.kernel.inode import Inode


class LostResource(Oracle):
    """At rest blocks, ranges of a window, entries and requests to the disk are accounted for, as fsck would ask.

    Each block belongs to what leads to it, in the files and in their CoW forks; each range of virtio-fs is free, or
    busy and in the tree of one file; a file that is gone has none of them, nor an entry; no request to the disk is
    open, and no iomap uses a range. Without a disk the blocks stay what they were. When a device has lost its driver,
    the page structs are gone.
    """

    kinds = ("lost-resource",)

    def attach(self) -> None:
        listen(self.kernel.device_bound, "watch", self.unbound)
        if not self.kernel.fs.char_device:
            self.world.on_end.append(self.at_rest)

    def unbound(self, old: bool, new: bool) -> None:
        if old and not new and not self.kernel.pages[0].freed:
            self.fail("lost-resource", "the device has no driver, but page structs")

    def at_rest(self) -> None:
        if self.sim.stuck():
            return
        kernel = self.kernel
        gone = [inode for inode in kernel.inodes.values() if not inode.i_count.value]
        for inode in gone:
            if inode.i_mapping.i_pages.entries:
                self.lost(f"{inode.name} is gone, and has entries")
        disk = kernel.q_usage
        if disk.dying:
            return
        if disk.count != 1:
            self.lost(f"{disk.count - 1} requests to the disk never end")
        if kernel.fuse_conn is not None:
            self.ranges(kernel.fuse_conn)
            return
        self.blocks()
        for inode in gone:
            waits = inode.number in kernel.inodegc.queued or inode.number in kernel.inodegc.running
            if not waits and self.owned(inode):
                self.lost(f"{inode.name} is gone, and has blocks")

    def owned(self, inode: Inode) -> list[tuple[int, Owner]]:
        """The blocks that a file leads to, each with its place."""
        extents = [(block_of(extent.value), index) for index, extent in enumerate(inode.extents)]
        extents += [(pfn, index) for index, pfn in inode.cow_fork.blocks.items()]
        return [(pfn, (inode.number, index)) for pfn, index in extents if pfn is not None]

    def blocks(self) -> None:
        """Compare what the allocator says of files with what these lead to."""
        numbers = [inode.number for inode in self.kernel.inodes.values()]
        owners: list[list[Owner]] = [[] for _ in self.kernel.allocator.table]
        for inode in self.kernel.inodes.values():
            for pfn, owner in self.owned(inode):
                owners[pfn].append(owner)
        for pfn, (said, found) in enumerate(zip(self.kernel.allocator.table, owners, strict=True)):
            files = [owner for owner in said if owner[0] in numbers]
            if sorted(files) != sorted(found):
                self.lost(f"block {pfn} belongs to {files}, and {found} lead to it (inode, page)")

    def ranges(self, conn: FuseConnDax) -> None:
        """Compare the lists of ranges with the trees of the files."""
        mapped = [dmap for inode in self.kernel.inodes.values() for _, dmap in inode.fuse.tree.value]
        for dmap in conn.dmaps:
            places = conn.free_ranges.value.count(dmap), conn.busy_ranges.value.count(dmap), mapped.count(dmap)
            if places not in ((1, 0, 0), (0, 1, 1)):
                self.lost(f"{dmap} is {places[0]} times free, {places[1]} times busy, and {places[2]} times in a tree")
            if dmap.refcnt.value != 1:
                self.lost(f"{dmap} has {dmap.refcnt.value - 1} users too many")
        if conn.nr_free_ranges.value != len(conn.free_ranges.value):
            self.lost(f"{conn.nr_free_ranges.value} ranges are counted as free, and {len(conn.free_ranges.value)} are")
        for inode in self.kernel.inodes.values():
            if inode.fuse.tree.value and not inode.i_count.value:
                self.lost(f"{inode.name} is gone, and has ranges")
            if inode.fuse.nr.value != len(inode.fuse.tree.value):
                self.lost(f"{inode.name} counts {inode.fuse.nr.value} ranges, and has {len(inode.fuse.tree.value)}")

    def lost(self, message: str) -> None:
        """Report it, as of no task."""
        raise Violation("lost-resource", message)
