"""The fast host: coroutines driven by ``send`` in one loop, for the millions of executions in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daxfuzz.sim.host import Host

if TYPE_CHECKING:
    from daxfuzz.sim.task import Task
    from daxfuzz.sim.trace import Scheduler

NextRun = Callable[[Sequence[int], int], tuple[int, int]]


class Stepper(Host):
    """Runs tasks without an event loop. Its traces are those of :class:`~daxfuzz.sim.trio_host.TrioHost`."""

    def play(self, scheduler: Scheduler, limit: int, turns: list[int]) -> None:
        if not turns:
            self._start()
        self._play_script(scheduler.script()[: limit - len(turns)], turns)
        if scheduler.next_run is not None:
            self._play_runs(scheduler.next_run, limit, turns)
        else:
            self._play_turns(scheduler, limit, turns)

    def _play_script(self, script: Sequence[int], turns: list[int]) -> None:
        world = self.world
        tasks = world.tasks
        record = turns.append
        note = world.log.append
        at, end = 0, len(script)
        while at < end:
            scripted = script[at]
            task = tasks[scripted]
            if not task.runnable:
                return
            behind = at + 1
            while behind < end and script[behind] == scripted:
                behind += 1
            if behind > at + 1:
                at += self._take(task, behind - at, turns)
                continue
            at = behind
            world.current = task
            record(scripted)
            note(task.point)
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)

    def _play_turns(self, scheduler: Scheduler, limit: int, turns: list[int]) -> None:
        world = self.world
        tasks = world.tasks
        enabled = world.enabled
        next_task = scheduler.next_task
        record = turns.append
        note = world.log.append
        current = turns[-1] if turns else -1
        for _ in range(limit - len(turns)):
            if not enabled:
                return
            current = next_task(enabled, current)
            task = tasks[current]
            world.current = task
            record(current)
            note(task.point)
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)

    def _play_runs(self, next_run: NextRun, limit: int, turns: list[int]) -> None:
        world = self.world
        tasks = world.tasks
        enabled = world.enabled
        record = turns.append
        note = world.log.append
        current = turns[-1] if turns else -1
        left = limit - len(turns)
        while enabled and left > 0:
            current, length = next_run(enabled, current)
            task = tasks[current]
            if length > 1:
                left -= self._take(task, min(length, left), turns)
                continue
            left -= 1
            world.current = task
            record(current)
            note(task.point)
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)

    def _take(self, task: Task, length: int, turns: list[int]) -> int:
        """Give a task up to `length` turns in a row, fewer if the enabled tasks change; returns how many."""
        world = self.world
        note = world.log.append
        send = task.send
        world.current = task
        # The checking mode compares what each step touches with what the task is parked in front of.
        ahead = 0 if world.checked else length - 1
        world.ahead = ahead
        world.unused = 0
        try:
            note(task.point)
            task.point = send(None)
            while world.ahead:
                world.ahead -= 1
                note(task.point)
                task.point = send(None)
        except StopIteration:
            world.finish(task)
        finally:
            taken = 1 + ahead - world.ahead - world.unused
            world.ahead = 0
            turns += [task.index] * taken
        return taken

    def _start(self) -> None:
        world = self.world
        for task in world.tasks:
            world.current = task
            world.enable(task)
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)
