"""A freeze that leaves something in memory only."""

from __future__ import annotations

from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.oracle import Oracle, listen


class IncompleteFreeze(Oracle):
    """When a freeze completes, all data and metadata of files that have a name or a user are on the device.

    That is what a snapshot is taken of. Writes and write faults are kept out before the data is written back; what a
    device writes through a pin is there at once. So a freeze goes from level to level (enum sb_freeze), each after who
    is inside the one before has left; and no transaction is made durable for it before who is inside the level has.
    """

    kinds = ("incomplete-freeze",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if self.kernel.fs.durable_metadata and any(call.name == "freeze" for call in calls):
            listen(self.kernel.sb.frozen, "watch", self.stepped)
            listen(self.kernel.sb.frozen, "watch", self.changed)
            listen(self.kernel.sb, "on_sealed", self.sealed)

    def reached(self, level: Frozen) -> bool:
        """Whether nobody is left in what a level of the freeze stops."""
        sb = self.kernel.sb
        stops = {Frozen.WRITE: sb.writers, Frozen.PAGEFAULT: sb.pagefault, Frozen.FS: sb.intwrite}
        return level not in stops or stops[level].held_exclusively()

    def stepped(self, old: Frozen, new: Frozen) -> None:
        """The state of the freeze changes."""
        name = self.world.current.name
        if new is Frozen.UNFROZEN:
            return
        if new is Frozen.KERNEL:
            new = Frozen.COMPLETE
        if new != old + 1:
            self.fail("incomplete-freeze", f"{name} goes from {old!r} to {new!r}")
        if not self.reached(old):
            self.fail("incomplete-freeze", f"{name} goes on to {new!r} before all have left {old!r}")

    def sealed(self) -> None:
        """A transaction is on its way to the disk, and the current task waits for it."""
        sb = self.kernel.sb
        level = sb.frozen.value
        mine = sb.s_umount.written_by(self.world.current)
        if mine and not self.reached(level):
            self.fail("incomplete-freeze", f"{self.world.current.name} syncs before all have left {level!r}")

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
