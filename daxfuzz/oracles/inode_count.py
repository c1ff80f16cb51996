"""Inodes whose references disagree with who has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode


class InodeCount(Oracle):
    """No i_count is negative; at rest the name, each descriptor table and each VMA hold one reference, nobody else."""

    kinds = ("inode-count",)

    def attach(self) -> None:
        for inode in self.kernel.inodes.values():
            listen(inode.i_count, "watch", self.watcher(inode))
        self.world.on_end.append(self.at_rest)

    def watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Judges each change of a count."""

        def changed(old: int, new: int) -> None:
            if new < 0:
                self.fail("inode-count", f"{self.world.current.name} drops a reference of {inode.name}, which has none")

        return changed

    def at_rest(self) -> None:
        if self.sim.stuck():
            return
        for inode in self.kernel.inodes.values():
            held = int(bool(inode.i_nlink.value))
            for mm in self.kernel.mms:
                held += inode.number in mm.files.open
                held += sum(vma.mapping is inode.i_mapping for vma in mm.vmas.value)
            if inode.i_count.value != held:
                message = f"{inode.name} has {inode.i_count.value} references, and {held} of them are accounted for"
                raise Violation("inode-count", message)
