"""Waits for pages that belong to somebody else by now."""

from __future__ import annotations

from daxfuzz.oracles.hang import HangOracle, Wait


class WaitsForStranger(HangOracle):
    """Nobody waits for a page that is no longer a page of the file it works on; one that names no file, of any file.

    The removal of a device waits for the pages of the device, whoever has them (unbind). Who reclaims memory works on
    the files that are being evicted.
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
            if wait.task.index in self.kernel.reclaimers:
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
