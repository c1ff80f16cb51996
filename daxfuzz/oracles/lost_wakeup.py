"""Sleepers that nobody will wake."""

from __future__ import annotations

from daxfuzz.oracles.hang import HangOracle, Wait


class LostWakeup(HangOracle):
    """When nobody can go on, no task sleeps although what it waits for has happened."""

    kinds = ("lost-wakeup",)

    def judge(self, found: list[Wait]) -> None:
        for wait in found:
            if wait.satisfied:
                name = wait.task.name
                self.fail(
                    "lost-wakeup",
                    f"{name} sleeps on {wait.channel}, what it waits for has happened, and nobody is left to wake it",
                    tasks=(name,),
                    channel=wait.channel,
                )
