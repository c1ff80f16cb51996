"""C-10: memory failure waits for an entry with the AGF lock held."""

from __future__ import annotations

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.end_cow_under_ilock import FixEndCowUnderIlock


class FixNotifyWithoutAgf(Repair):
    """Collect the records of the reverse map first, and tell the files without the lock of the AGF.

    xfs_dax_notify_ddev_failure (v6.0 to v6.19) calls mf_dax_kill_procs for each record with the AGF buffer locked, and
    that waits for the entry lock. A fault has that lock while it allocates or frees a block, for which it needs the
    AGF: both wait for ever. Nothing upstream.

    A record may be out of date then, once the entry is locked: a write fault has put the copy of a shared page there,
    or the block was moved. So the entry is asked whether it is for the block, or else a healthy page would be marked.
    """

    flaw = "C-10"
    supersedes = (FixEndCowUnderIlock,)

    class memory_failure(MemoryFailure):
        def has_failed(self, entry: Entry, index: int, pfn: int) -> bool:
            return entry.pfn + index % entry.size(self.k.machine) == pfn

    class xfs(Xfs):
        async def xfs_dax_notify_ddev_failure(self, blocks: range, flags: int) -> int:
            await self.k.agf.acquire()
            records = await self.xfs_rmap_query_range(blocks)
            await self.k.agf.release()
            error = 0
            for record in records:
                error = error or await self.xfs_dax_failure_fn(record, flags)
            return error
