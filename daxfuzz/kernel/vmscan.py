"""Reclaim of memory by those who allocate some (mm/vmscan.c, fs/super.c, fs/dcache.c, fs/inode.c, v6.0).

Known deviation: only the shrinker of the super block does anything, and it looks at all inodes each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode


class Vmscan(Subsystem):
    """Caches that shrink when memory is short. Who reclaims may hold locks: those that it held when it allocated."""

    async def try_to_free_pages(self) -> None:
        """Direct reclaim."""
        me = self.k.world.current.index
        self.k.reclaimers.append(me)
        # Who has a handle open must not enter the file system again (__GFP_FS, memalloc_nofs_save).
        if not self.k.journal.has_handle():
            await self.super_cache_scan()
        self.k.reclaimers.remove(me)

    async def super_cache_scan(self) -> None:
        """The shrinker of the super block, which stays away while somebody mounts, freezes or thaws it."""
        sb = self.k.sb
        if not await sb.s_umount.down_read_trylock():
            return
        for inode in self.k.inodes.values():
            # A name and nothing else holds the inode: its dentry is unused.
            if await inode.i_count.read() == 1:
                await (self.inode_lru_isolate if self.k.fs.caches_unused_inodes else self.prune_dentry)(inode)
        await sb.s_umount.up_read()

    async def prune_dentry(self, inode: Inode) -> None:
        """Drop an unused dentry, and with it the inode, which the file system does not cache (prune_dcache_sb)."""
        if await inode.i_nlink.exchange(0):
            await self.k.vfs.iput(inode)

    async def inode_lru_isolate(self, inode: Inode) -> None:
        """Look at an inode that only the cache holds.

        One with several entries, or a huge one, stays (mapping_shrinkable). Of one with a single entry at its start
        the page cache goes first, though entries of DAX do not. One without is freed, which changes nothing here.
        """
        if await inode.i_mapping.i_pages.only_head():
            await self.isolate_inode(inode)

    async def isolate_inode(self, inode: Inode) -> None:
        """Drop the page cache of an unused inode, with a reference, which may be the last one by then.

        (A part of inode_lru_isolate.)
        """
        if await inode.i_nlink.read() and await inode.i_count.cmpxchg(1, 2):
            await self.k.truncate.invalidate_mapping_pages(inode.i_mapping)
            await self.k.vfs.iput(inode)
