"""Waits for pages that are not the kernel's design."""

from __future__ import annotations

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.hang import waits
from daxfuzz.oracles.oracle import Oracle


class HeldLongtermPin(Oracle):
    """No wait for an idle page is held up by a FOLL_LONGTERM pin."""

    kinds = ("held-longterm-pin",)

    def attach(self) -> None:
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if self.world.enabled:
            return
        for wait in waits(self.sim):
            for task, reference in wait.holders:
                if reference.flags & Foll.LONGTERM:
                    self.fail(
                        "held-longterm-pin",
                        f"{wait.task.name} waits for page {reference.page.pfn}, "
                        f"which {task.name} has pinned for as long as it likes (FOLL_LONGTERM)",
                        tasks=(wait.task.name, task.name),
                        channel=wait.channel,
                    )


class WaitsForStranger(Oracle):
    """Nobody waits for a page that is no longer a page of the file it works on."""

    kinds = ("waits-for-stranger",)

    def attach(self) -> None:
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if self.world.enabled:
            return
        for wait in waits(self.sim):
            if wait.page is None or wait.satisfied or not wait.holders:
                continue
            file = str(self.sim.program.tasks[wait.task.name][wait.task.operation].arguments[0])
            number = self.kernel.inodes[file].number
            owner = self.kernel.allocator.table[wait.page.pfn]
            if owner is None or owner[0] != number:
                self.fail(
                    "waits-for-stranger",
                    f"{wait.task.name} works on {file} but waits for page {wait.page.pfn}, which {file} has lost",
                    tasks=(wait.task.name,),
                    channel=wait.channel,
                )
