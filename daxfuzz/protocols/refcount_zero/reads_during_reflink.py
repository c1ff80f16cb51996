"""xfs: allow read IO and FICLONE to run concurrently (v6.7), as it is in v6.19."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import VmFlag
from daxfuzz.protocols.patch import Patch


class AllowReadsDuringReflink(Patch):
    """xfs: allow read IO and FICLONE to run concurrently (v6.7).

    While blocks are shared, the locks of the file that they come from are held shared, so that it can be read, and
    its pages can be faulted in for reading. A write fault finds XFS_IREMAPPING and takes MMAPLOCK exclusively.
    """

    adds: ClassVar = {"xfs": ("_xfs_write_fault", "xfs_dax_read_fault", "xfs_iunlock2_remapping")}

    class xfs(Xfs):
        async def _xfs_filemap_fault(self, vmf: Fault) -> VmFault:
            if vmf.write and vmf.vma.flags & VmFlag.SHARED:
                return await self._xfs_write_fault(vmf)
            return await self.xfs_dax_read_fault(vmf)

        async def xfs_dax_read_fault(self, vmf: Fault) -> VmFault:
            """A read, or a write to a private mapping (fs/xfs/xfs_file.c, v6.19)."""
            lock = vmf.vma.mapping.invalidate_lock
            await lock.down_read()
            result = await self.xfs_dax_fault(vmf)
            await lock.up_read()
            return result

        async def _xfs_write_fault(self, vmf: Fault) -> VmFault:
            """Wait for a remap of the file to finish (fs/xfs/xfs_file.c, v6.19)."""
            mapping = vmf.vma.mapping
            lock = mapping.invalidate_lock
            await self.k.sb.pagefault.down_read()
            await lock.down_read()
            exclusive = await mapping.host.remapping.read()
            if exclusive:
                await lock.up_read()
                await lock.down_write()
            result = await self.xfs_dax_fault(vmf)
            await (lock.up_write if exclusive else lock.up_read)()
            await self.k.sb.pagefault.up_read()
            return result

        async def xfs_file_remap_range(
            self, source: Inode, first: int, dest: Inode, to: int, length: int, dedupe: bool
        ) -> int:
            error = await self.xfs_ilock2_io_mmap(source, dest)
            if error:
                return error
            error = await self.xfs_reflink_remap_prep(source, first, dest, to, length, dedupe)
            if error:
                await self.xfs_iunlock2_io_mmap(source, dest)
                return error
            # The end of xfs_reflink_remap_prep.
            await source.remapping.write(True)
            if source is not dest:
                await source.i_rwsem.downgrade_write()
                await source.i_mapping.invalidate_lock.downgrade_write()
            remapped, error = await self.xfs_reflink_remap_blocks(source, first, dest, to, length)
            if not error:
                await self.xfs_reflink_update_dest(dest, to + length)
            await self.xfs_iunlock2_remapping(source, dest)
            return remapped or error

        async def xfs_iunlock2_remapping(self, source: Inode, dest: Inode) -> None:
            """Drop all locks of both after a remap (fs/xfs/xfs_inode.c, v6.19)."""
            await source.remapping.write(False)
            if source is not dest:
                await source.i_mapping.invalidate_lock.up_read()
            await dest.i_mapping.invalidate_lock.up_write()
            if source is not dest:
                await source.i_rwsem.up_read()
            await dest.i_rwsem.up_write()
