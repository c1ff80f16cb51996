"""Changes of a file system that is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.sim import Cell


class FrozenWrite(Oracle):
    """Between freeze and thaw no size and no extent of a file changes, as snapshots of the device rely on.

    Of a file whose last reference is gone too: evict waits in sb_start_intwrite.
    """

    kinds = ("frozen-write",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not self.kernel.fs.freezes or not any(call.name == "freeze" for call in calls):
            return
        for inode in self.kernel.inodes.values():
            self.watch(inode.i_size)
            for extent in inode.extents:
                self.watch(extent)

    def watch(self, cell: Cell[Any]) -> None:
        """Report stores while nothing may change."""
        frozen = self.kernel.sb.frozen

        def stored(old: object, new: object) -> None:
            if old != new and frozen.value >= Frozen.COMPLETE:
                self.fail(
                    "frozen-write", f"{self.world.current.name} stores {cell.name} while the file system is frozen"
                )

        listen(cell, "watch", stored)
