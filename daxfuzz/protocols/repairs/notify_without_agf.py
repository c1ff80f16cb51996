"""C-10: memory failure waits for an entry with the AGF lock held."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.protocols.patch import Repair


class FixNotifyWithoutAgf(Repair):
    """Collect the records of the reverse map first, and tell the files without the lock of the AGF.

    xfs_dax_notify_ddev_failure (v6.0 to v6.19) calls mf_dax_kill_procs for each record with the AGF buffer locked, and
    that waits for the entry lock. A fault has that lock while it allocates or frees a block, for which it needs the
    AGF: both wait for ever. Nothing upstream.
    """

    flaw = "C-10"

    class xfs(Xfs):
        async def xfs_dax_notify_ddev_failure(self, blocks: range, flags: int) -> int:
            await self.k.agf.acquire()
            records = await self.xfs_rmap_query_range(blocks)
            await self.k.agf.release()
            error = 0
            for record in records:
                error = error or await self.xfs_dax_failure_fn(record, flags)
            return error
