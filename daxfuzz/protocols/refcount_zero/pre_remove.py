"""mm, pmem, xfs: Introduce MF_MEM_PRE_REMOVE for unbind (fa422b353d21, v6.8), as it is in v6.19."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.errno import EIO
from daxfuzz.kernel.fs.filesystem import Falloc, Iomap, UserCopy
from daxfuzz.kernel.fs.xfs import RmapRecord
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory_failure import MemoryFailure, Mf, ToKill
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.super import Frozen
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.reads_during_reflink import AllowReadsDuringReflink


class IntroducePreRemove(Patch):
    """mm, pmem, xfs: Introduce MF_MEM_PRE_REMOVE for unbind (fa422b353d21, v6.8).

    kill_dax says that the device is good, but about to go. xfs then freezes itself, which makes all entries clean,
    unmaps and signals everybody who maps a block, deletes the entries, whoever uses their pages (N-220), and shuts
    itself down. Read faults go on meanwhile; one may map a page again that has been dealt with.

    Known deviations: a freeze of user space that is there already, or under way, stands for the kernel's own; and of a
    file system that is shut down, calls that have passed its checks change what is in memory, but free no block.
    """

    adds: ClassVar = {
        "memory_failure": ("revoke_procs", "collect_procs_fsdax"),
        "xfs": ("xfs_is_shutdown", "xfs_force_shutdown", "invalidate_removed", "xfs_dax_notify_failure_thaw"),
    }

    class dax_device(DaxDevice):
        def removal_flags(self) -> int:
            return Mf.MEM_PRE_REMOVE

    class memory_failure(MemoryFailure):
        async def mf_dax_kill_procs(self, mapping: AddressSpace, first: int, pages: int, flags: int, pfn: int) -> int:
            if not flags & Mf.MEM_PRE_REMOVE:
                return await super().mf_dax_kill_procs(mapping, first, pages, flags, pfn)
            for index in range(first, first + pages):
                await self.revoke_procs(mapping, index)
            return 0

        async def revoke_procs(self, mapping: AddressSpace, index: int) -> None:
            """Unmap a file page that somebody maps, and signal them; the page is not marked.

            (In the kernel a part of its caller, mm/memory-failure.c, v6.19.)
            """
            cookie, page = await self.k.dax_lock.dax_lock_mapping_entry(mapping, index)
            if page is not None:
                await self.unmap_and_kill(await self.collect_procs_fsdax(mapping, index), mapping, index)
            await self.k.dax_lock.dax_unlock_mapping_entry(mapping, index, cookie)

        async def collect_procs_fsdax(self, mapping: AddressSpace, index: int) -> list[ToKill]:
            """The first task of each process, for each VMA that maps the file page (mm/memory-failure.c, v6.19)."""
            to_kill: list[ToKill] = []
            seen: list[Mm] = []
            await mapping.i_mmap_rwsem.down_read()
            for task in self.k.world.tasks:
                mm = self.k.mm_of.get(task.index)
                if mm is None or mm in seen:
                    continue
                seen.append(mm)
                for vma in await mapping.i_mmap.read():
                    if vma.mm is mm and index < vma.pages:
                        pages = await self.dev_pagemap_mapping_shift(mm, vma.start + index)
                        if pages:
                            to_kill.append(ToKill(task, pages))
            await mapping.i_mmap_rwsem.up_read()
            return to_kill

    class xfs(AllowReadsDuringReflink.xfs):
        # -- removal -------------------------------------------------------------------------------------------------

        async def notify_failure(self, first: int, pages: int, flags: int) -> int:
            if not flags & Mf.MEM_PRE_REMOVE or not self.k.machine.rmapbt:
                return await super().notify_failure(first, pages, flags)
            frozen = not await self.k.vfs.freeze_super(Frozen.KERNEL)
            error = await super().notify_failure(first, pages, flags)
            await self.xfs_force_shutdown()
            await self.xfs_dax_notify_failure_thaw(frozen)
            return error

        async def xfs_dax_notify_failure_thaw(self, frozen: bool) -> None:
            """Thaw what the kernel has frozen, and what user space has (fs/xfs/xfs_notify_failure.c, v6.19)."""
            if frozen:
                await self.k.vfs.thaw_super(Frozen.KERNEL)
            await self.k.vfs.thaw_super()

        async def xfs_dax_failure_fn(self, record: RmapRecord, flags: int) -> int:
            if not flags & Mf.MEM_PRE_REMOVE:
                return await super().xfs_dax_failure_fn(record, flags)
            inode = self.k.inode_by_number(record.number)
            cow = [await inode.cow_fork.has(record.first + i, record.pfn + i) for i in range(record.pages)]
            if all(cow) or not await self.k.vfs.igrab(inode):
                return 0
            error = await self.k.memory_failure.mf_dax_kill_procs(
                inode.i_mapping, record.first, record.pages, flags, record.pfn
            )
            await self.invalidate_removed(inode.i_mapping, record.first, record.first + record.pages - 1)
            await self.xfs_irele(inode)
            return error

        async def invalidate_removed(self, mapping: AddressSpace, first: int, last: int) -> None:
            """Forget the entries of a range, and unmap who has come meanwhile.

            (In the kernel a part of its caller, fs/xfs/xfs_notify_failure.c, v6.19.)
            """
            await self.k.truncate.invalidate_inode_pages2_range(mapping, first, last)

        # -- what is shut down ---------------------------------------------------------------------------------------

        async def xfs_force_shutdown(self) -> None:
            """Nothing reaches the log any more (fs/xfs/xfs_fsops.c, v6.19)."""
            await self.k.sb.shutdown.write(True)

        async def xfs_is_shutdown(self) -> bool:
            """Whether the file system is shut down (fs/xfs/xfs_mount.h, v6.19)."""
            return await self.k.sb.shutdown.read()

        async def iomap_begin(
            self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
        ) -> Iomap | None:
            if await self.xfs_is_shutdown():
                return Iomap(None, error=-EIO)
            return await super().iomap_begin(inode, index, write, pages, fault)

        async def xfs_free_extent(self, pfn: int, inode: Inode, index: int) -> None:
            if not await self.xfs_is_shutdown():
                await super().xfs_free_extent(pfn, inode, index)

        async def xfs_setattr_size(self, inode: Inode, size: int) -> int:
            return -EIO if await self.xfs_is_shutdown() else await super().xfs_setattr_size(inode, size)

        async def xfs_fallocate_mode(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
            if await self.xfs_is_shutdown():
                return -EIO
            return await super().xfs_fallocate_mode(inode, mode, first, length)

        async def xfs_file_dax_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
            if await self.xfs_is_shutdown():
                return -EIO
            return await super().xfs_file_dax_write(inode, index, value, copy)

        async def xfs_file_fsync(self, inode: Inode, first: int, last: int) -> int:
            return -EIO if await self.xfs_is_shutdown() else await super().xfs_file_fsync(inode, first, last)

        async def xfs_file_remap_range(
            self, source: Inode, first: int, dest: Inode, to: int, length: int, dedupe: bool
        ) -> int:
            if await self.xfs_is_shutdown():
                return -EIO
            return await super().xfs_file_remap_range(source, first, dest, to, length, dedupe)
