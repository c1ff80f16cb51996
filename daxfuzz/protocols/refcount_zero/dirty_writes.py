"""fsdax, xfs: Set the shared flag when file extent is shared (v6.2), as far as it changes what a fault marks."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import DaxFlag
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Patch


class DirtyOnlyWrites(Patch):
    """fsdax: Mark entries dirty for writes only (v6.2).

    A shared extent counts as such for reads, too, where v6.0 looked only at writes to one.
    """

    class dax(Dax):
        def dax_iter_flags(self, vmf: Fault, iomap: Iomap | None) -> int:
            if iomap is None:
                return 0
            dirty = vmf.write and not self.k.dax_fault.dax_fault_is_synchronous(vmf, iomap)
            return (DaxFlag.DIRTY if dirty else 0) | (DaxFlag.COW if iomap.shared else 0)
