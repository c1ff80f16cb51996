"""A freeze that leaves something in memory only."""

from __future__ import annotations

from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.oracle import Oracle, listen


class IncompleteFreeze(Oracle):
    """When a freeze completes, all data and metadata of files that have a name or a user are on the device.

    That is what a snapshot is taken of. Writes and write faults are kept out before the data is written back; what a
    device writes through a pin is there at once.
    """

    kinds = ("incomplete-freeze",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if self.kernel.fs.durable_metadata and any(call.name == "freeze" for call in calls):
            listen(self.kernel.sb.frozen, "watch", self.changed)

    def nothing_reaches_the_device(self) -> bool:
        """Whether it has gone, or xfs has been shut down, which is said to whoever asks."""
        kernel = self.kernel
        return kernel.q_usage.dying or not kernel.dax_alive.value or kernel.sb.shutdown.value

    def changed(self, old: Frozen, new: Frozen) -> None:
        if new < Frozen.COMPLETE or self.nothing_reaches_the_device():
            return
        journal = self.kernel.journal
        name = self.world.current.name
        for inode in self.kernel.inodes.values():
            if not inode.i_count.value:
                continue
            if journal.tids[inode.number] > journal.committed:
                self.fail("incomplete-freeze", f"{name} has frozen all, but metadata of {inode.name} is not durable")
            for index, extent in enumerate(inode.extents):
                pfn = mapped_block(extent.value)
                if pfn is not None and self.kernel.blocks[pfn].data != self.kernel.blocks[pfn].durable:
                    self.fail("incomplete-freeze", f"{name} has frozen all, but {inode.name}[{index}] is not durable")
