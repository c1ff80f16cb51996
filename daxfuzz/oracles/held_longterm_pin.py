"""Waits that a FOLL_LONGTERM pin holds up."""

from __future__ import annotations

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.hang import waits
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.range_users import RangeUsers


class HeldLongtermPin(Oracle):
    """No file operation's wait for an idle page is held up by a FOLL_LONGTERM pin.

    The removal of a device has nothing to take the page from such a pin with, and may wait for it.
    """

    kinds = ("held-longterm-pin",)

    def attach(self) -> None:
        InFlight.of(self.sim)
        RangeUsers.of(self.sim)
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if self.world.enabled:
            return
        for wait in waits(self.sim):
            if not self.sim.program.tasks[wait.task.name][wait.task.operation].arguments:
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
