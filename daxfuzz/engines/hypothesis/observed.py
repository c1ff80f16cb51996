"""What an execution tells hypothesis: events for its statistics, and figures that it tries to make larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import currently_in_test_context, event, target
from hypothesis.errors import InvalidArgument

from daxfuzz.oracles.oracle import listen
from daxfuzz.search import Decorator
from daxfuzz.sim import Execution, Scheduler, World
from daxfuzz.triage.bench import Bench, verdict


class Sleepers(Decorator):
    """most: how many tasks were asleep, or waited for a lock, at the same time."""

    def __init__(self, inner: Scheduler) -> None:
        super().__init__(inner)
        self.most = 0
        self._world: World | None = None

    def new_execution(self, world: World) -> None:
        self._world = world
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        assert self._world is not None
        asleep = len(self._world.tasks) - len(self._world.ended) - len(enabled)
        self.most = max(self.most, asleep)
        return super().next_task(enabled, current)


@dataclass(slots=True)
class Observed:
    """What the executions of a program have shown. Made before the first one.

    sleepers: most tasks that were blocked at the same time.
    references: highest count of a page of the device.
    """

    bench: Bench
    sleepers: int = 0
    references: int = 0
    kinds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        kernel = self.bench.sim.kernel
        for page in kernel.pages[: kernel.device_pages]:
            listen(page.refcount, "watch", self._counted)

    def _counted(self, old: int, new: int) -> None:
        if new > self.references:
            self.references = new

    def note(self, execution: Execution, sleepers: int = 0) -> None:
        """How an execution has ended, and what Sleepers has counted in it."""
        self.sleepers = max(self.sleepers, sleepers)
        found = verdict(execution)
        kind = found.kind if found is not None else "user-held wait" if execution.stuck else "none"
        if kind not in self.kinds:
            self.kinds.append(kind)

    @property
    def headroom(self) -> int:
        """How many more references would make the count of a page look like a pin; 0 if it has looked so."""
        return max(self.bench.program.machine.bias - self.references, 0)

    def report(self) -> None:
        """Tell hypothesis, in a test of its own; elsewhere nobody. Of several reports in a test the first counts."""
        if not currently_in_test_context():
            return
        for kind in self.kinds:
            event(f"ends: {kind}")
        event(f"tasks asleep: {self.sleepers}")
        event("references: headroom" if self.headroom else "references: as many as make a pin")
        try:
            target(float(self.sleepers), label="tasks asleep")
            target(-float(self.headroom), label="references towards the bias")
        except InvalidArgument:
            return
