"""Devices that write where they should not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


class DmaCorruption(Oracle):
    """A device writes only to the block that the file page of its reference has, and that no other one has, too."""

    kinds = ("dma-corruption",)

    def attach(self) -> None:
        self.sim.on_dma.append(self.written)

    def written(self, task: Task, reference: Reference) -> None:
        pfn = reference.page.pfn
        if reference.page.ram:
            if not self.kernel.free_list.used[pfn - self.kernel.device_pages]:
                self.fail("dma-corruption", f"{task.name}'s device writes to page {pfn}, which is free by now")
            return
        owners = self.kernel.allocator.table[pfn]
        if owners != ((reference.inode, reference.file_page),):
            whose = " and ".join(f"page {page} of inode {inode}" for inode, page in owners) or "nobody's"
            self.fail("dma-corruption", f"{task.name}'s device writes to block {pfn}, which is {whose} by now")
