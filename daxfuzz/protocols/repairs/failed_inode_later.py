"""N-203: memory failure evicts a file, and waits for its pages, with mf_mutex held."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixFailedInodeLater(Repair):
    """Drop the reference of a file whose page has failed when the task returns to user space.

    xfs_dax_failure_fn (v6.0 to v6.19) holds the file of a failed block. If it loses its name and its last user
    meanwhile, xfs_irele evicts it, which waits for all pages of the file since v6.15 (0e2f80afcfa6; before, with F-06
    repaired). mf_mutex is held all the time. Whoever has a page of the file and needs mf_mutex waits for ever:
    madvise(MADV_HWPOISON) of a second task has the reference that it has looked the page up with. Nothing upstream.
    """

    flaw = "N-203"

    class xfs(Xfs):
        async def xfs_irele(self, inode: Inode) -> None:
            self.k.vfs.fput(inode)
