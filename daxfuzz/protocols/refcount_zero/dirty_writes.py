"""fsdax, xfs: Set the shared flag when file extent is shared (v6.2), the half about the dirty mark."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import DaxFlag
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Patch


class DirtyOnlyWrites(Patch):
    """fsdax, xfs: Mark entries dirty for writes only (v6.2).

    The other half of the commit, that reads count pages of shared extents, too, is the repair of N-16.
    """

    class dax(Dax):
        def dax_iter_flags(self, vmf: Fault, iomap: Iomap | None) -> int:
            flags = super().dax_iter_flags(vmf, iomap)
            return flags if vmf.write else flags & ~DaxFlag.DIRTY
