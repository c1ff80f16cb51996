"""Waits for pages that belong to somebody else by now."""

from __future__ import annotations

from daxfuzz.oracles.hang import waits
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.range_users import RangeUsers


class WaitsForStranger(Oracle):
    """Nobody waits for a page that is no longer a page of the file it works on."""

    kinds = ("waits-for-stranger",)

    def attach(self) -> None:
        InFlight.of(self.sim)
        RangeUsers.of(self.sim)
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if self.world.enabled:
            return
        for wait in waits(self.sim):
            if wait.page is None or wait.satisfied or not wait.holders:
                continue
            arguments = self.sim.program.tasks[wait.task.name][wait.task.operation].arguments
            files = [each for each in arguments if each in self.kernel.inodes]
            if not files:
                # It works on all files (drop_caches, unbind), or is a worker of the kernel.
                continue
            file = " and ".join(map(str, files))
            numbers = [self.kernel.inodes[str(each)].number for each in files]
            owners = self.kernel.allocator.table[wait.page.pfn]
            if not any(inode in numbers for inode, _ in owners):
                self.fail(
                    "waits-for-stranger",
                    f"{wait.task.name} works on {file} but waits for page {wait.page.pfn}, which {file} has lost",
                    tasks=(wait.task.name,),
                    channel=wait.channel,
                )
