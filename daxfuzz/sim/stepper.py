"""The fast host: coroutines driven by ``send`` in one loop, for the millions of executions in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daxfuzz.sim.host import Host

if TYPE_CHECKING:
    from daxfuzz.sim.trace import Scheduler

NextRun = Callable[[Sequence[int], int], tuple[int, int]]


class Stepper(Host):
    """Runs tasks without an event loop. Its traces are those of :class:`~daxfuzz.sim.trio_host.TrioHost`."""

    def play(self, scheduler: Scheduler, limit: int, turns: list[int]) -> None:
        world = self.world
        tasks = world.tasks
        enabled = world.enabled
        next_task = scheduler.next_task
        record = turns.append
        note = world.log.append
        if not turns:
            self._start()
        current = turns[-1] if turns else -1
        for scripted in scheduler.script()[: limit - len(turns)]:
            task = tasks[scripted]
            if not task.runnable:
                break
            current = scripted
            world.current = task
            record(current)
            note(task.point)
            send = task.send
            try:
                task.point = send(None)
            except StopIteration:
                world.finish(task)
        if scheduler.next_run is not None:
            self._play_runs(scheduler.next_run, limit, turns, current)
            return
        for _ in range(limit - len(turns)):
            if not enabled:
                return
            current = next_task(enabled, current)
            task = tasks[current]
            world.current = task
            record(current)
            note(task.point)
            send = task.send
            try:
                task.point = send(None)
            except StopIteration:
                world.finish(task)

    def _play_runs(self, next_run: NextRun, limit: int, turns: list[int], current: int) -> None:
        world = self.world
        enabled = world.enabled
        note = world.log.append
        while enabled and len(turns) < limit:
            current, length = next_run(enabled, current)
            task = world.tasks[current]
            send = task.send
            point = task.point
            world.current = task
            world.changed = False
            taken = 0
            try:
                for _ in range(min(length, limit - len(turns))):
                    taken += 1
                    note(point)
                    task.point = point = send(None)
                    if world.changed:
                        break
            except StopIteration:
                world.finish(task)
            finally:
                turns += [current] * taken

    def _start(self) -> None:
        world = self.world
        for task in world.tasks:
            world.current = task
            world.enable(task)
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)
