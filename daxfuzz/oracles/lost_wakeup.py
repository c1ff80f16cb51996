"""Sleepers that nobody will wake."""

from __future__ import annotations

from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.hang import waits
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.range_users import RangeUsers


class LostWakeup(Oracle):
    """When nobody can go on, no task sleeps although what it waits for has happened."""

    kinds = ("lost-wakeup",)

    def attach(self) -> None:
        EntryOwners.of(self.sim)
        InFlight.of(self.sim)
        RangeUsers.of(self.sim)
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if self.world.enabled:
            return
        for wait in waits(self.sim):
            if wait.satisfied:
                name = wait.task.name
                self.fail(
                    "lost-wakeup",
                    f"{name} sleeps on {wait.channel}, what it waits for has happened, and nobody is left to wake it",
                    tasks=(name,),
                    channel=wait.channel,
                )
