"""Waits that a FOLL_LONGTERM pin holds up."""

from __future__ import annotations

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.hang import HangOracle, Wait


class HeldLongtermPin(HangOracle):
    """No file operation's wait for an idle page is held up by a FOLL_LONGTERM pin.

    The removal of a device has nothing to take the page from such a pin with, and may wait for it (unbind).
    """

    kinds = ("held-longterm-pin",)

    def judge(self, found: list[Wait]) -> None:
        for wait in found:
            if self.sim.program.tasks[wait.task.name][wait.task.operation].name == "unbind":
                continue
            for task, reference in wait.holders:
                if reference.flags & Foll.LONGTERM:
                    self.fail(
                        "held-longterm-pin",
                        f"{wait.task.name} waits for page {reference.page.pfn}, "
                        f"which {task.name} has pinned for as long as it likes (FOLL_LONGTERM)",
                        tasks=(wait.task.name, task.name),
                        channel=wait.channel,
                    )
