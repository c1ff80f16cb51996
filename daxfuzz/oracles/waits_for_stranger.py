"""Waits for pages that belong to somebody else by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.hang import HangOracle, Wait

if TYPE_CHECKING:
    from daxfuzz.sim import Task


class WaitsForStranger(HangOracle):
    """Nobody waits for a page that is no longer a page of the file it works on; one that names no file, of any file.

    The removal of a device waits for the pages of the device, whoever has them (unbind). Who reclaims memory works on
    the files that are being evicted, and so does who has dropped the last reference of one, whatever it called.
    """

    kinds = ("waits-for-stranger",)

    def judge(self, found: list[Wait]) -> None:
        for wait in found:
            if wait.page is None or wait.satisfied or not wait.holders:
                continue
            call = self.sim.program.tasks[wait.task.name][wait.task.operation]
            if call.name == "unbind":
                continue
            files = [each for each in self.kernel.inodes if each in call.arguments] or list(self.kernel.inodes)
            if wait.task.index in self.kernel.reclaimers or evicts(wait.task):
                files = [name for name, inode in self.kernel.inodes.items() if not inode.i_count.value]
            file = " and ".join(files)
            numbers = [self.kernel.inodes[each].number for each in files]
            owners = self.kernel.allocator.table[wait.page.pfn]
            if not any(inode in numbers for inode, _ in owners):
                self.fail(
                    "waits-for-stranger",
                    f"{wait.task.name} works on {file} but waits for page {wait.page.pfn}, which {file} has lost",
                    tasks=(wait.task.name,),
                    channel=wait.channel,
                )


def evicts(task: Task) -> bool:
    """Whether a task is in the eviction of a file."""
    return any(code.co_name == "evict" for code in task.frames())
