"""Blocks that a file gives up under those who have come to them through it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import block_of
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Extent, Inode
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


class GivenUpBlock(Oracle):
    """A file that shares a block keeps it as long as somebody has a reference of it that came through this file.

    The other files look for busy pages by their own entries and mappings only. Of the last file that has a block, see
    freed-while-pinned. It has done no harm before that, so the execution goes on.
    """

    kinds = ("given-up-block",)

    def reset(self) -> None:
        self.reported: list[int] = []

    def memory(self) -> Hashable:
        return tuple(sorted(self.reported))

    def attach(self) -> None:
        if not self.kernel.fs.reflinks:
            return
        for inode in self.kernel.inodes.values():
            for index, extent in enumerate(inode.extents):
                listen(extent, "watch", self.extent_watcher(inode, index))

    def extent_watcher(self, inode: Inode, index: int) -> Callable[[Extent, Extent], None]:
        """Judges each block that goes from a place of a file."""
        place = (inode.number, index)

        def stored(old: Extent, new: Extent) -> None:
            pfn = block_of(old)
            # Without a disk nothing is committed any more, and the block stays.
            if pfn is None or pfn == block_of(new) or self.kernel.q_usage.dying:
                return
            for task, reference in self.sim.references():
                if reference.page.pfn == pfn and (reference.inode, reference.file_page) == place:
                    self.report(task, reference, f"{inode.name}[{index}]")

        return stored

    def report(self, task: Task, reference: Reference, place: str) -> None:
        """Report each block once."""
        pfn = reference.page.pfn
        if pfn not in self.reported:
            self.reported.append(pfn)
            me = self.world.current.name
            message = f"{me} takes block {pfn} from {place}, through which {task.name} has a reference of it"
            self.world.defer(Violation("given-up-block", message, tasks=(me,)))
