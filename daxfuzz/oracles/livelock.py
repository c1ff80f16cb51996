"""Tasks that run for ever."""

from __future__ import annotations

from daxfuzz.oracles.oracle import Oracle
from daxfuzz.sim import Signal


class Livelock(Oracle):
    """Under a fair schedule every call ends within the limit of turns; one that has been killed ends, too."""

    kinds = ("livelock", "unkillable-spin")

    def attach(self) -> None:
        self.world.on_end.append(self.at_end)

    def at_end(self) -> None:
        running = [self.world.tasks[index] for index in self.world.enabled]
        if not running:
            return
        killed = [task for task in running if task.signal is Signal.FATAL]
        names = tuple(task.name for task in killed or running)
        if killed:
            self.fail("unkillable-spin", f"{', '.join(names)}: killed, but still running after the limit", tasks=names)
        self.fail("livelock", f"{', '.join(names)}: still running after the limit of turns", tasks=names)
