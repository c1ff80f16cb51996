"""The reference host: every actor is a real Trio task, and a finding counts only when it reproduces here.

A task that reaches a point chooses who goes on, hands that task the turn and parks. Trio's own scheduler never has
more than one of them to run, so it has nothing to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from daxfuzz.sim.host import Host
from daxfuzz.sim.task import Signal, Task

if TYPE_CHECKING:
    from daxfuzz.sim.trace import Scheduler
    from daxfuzz.sim.world import World


class TrioHost(Host):
    """Runs tasks under Trio; see :class:`~daxfuzz.sim.host.Host`. Cannot run inside another Trio program's task."""

    def play(self, scheduler: Scheduler, limit: int, turns: list[int]) -> None:
        if turns:
            # The actors of the first part are still the same coroutines; only the Trio tasks around them are new.
            trio.run(_Stage(self.world, scheduler, limit, turns, started=True).main)
        else:
            trio.run(_Stage(self.world, scheduler, limit, turns, started=False).main)


class _Stage:
    """The Trio tasks that drive the actors until nobody can go on or the limit is reached."""

    def __init__(self, world: World, scheduler: Scheduler, limit: int, turns: list[int], started: bool) -> None:
        self.world = world
        self.scheduler = scheduler
        self.limit = limit
        self.turns = turns
        self.started = started
        self.script = iter(scheduler.script())
        self.chosen: Task | None = None
        self.over = False
        self.waiting = len(world.tasks)
        self.parked: dict[int, trio.lowlevel.Task] = {}
        self.scopes: dict[int, trio.CancelScope] = {}
        self.sending: Signal | None = None
        self.failures: dict[int, BaseException] = {}

    async def main(self) -> None:
        self.world.on_signal = self.send_signal
        try:
            async with trio.open_nursery() as nursery:
                for task in self.world.tasks:
                    nursery.start_soon(self.drive, task, name=task.name)
        except BaseExceptionGroup as group:
            # What actors and the scheduler raise is in `failures`, so this is Ctrl-C between two of their steps.
            if group.split(KeyboardInterrupt)[1] is not None:
                raise
            raise KeyboardInterrupt from None
        finally:
            self.world.on_signal = self.world.deliver
        if self.failures:
            # Several only if tasks fail before their first point; then the order of the starts must not show.
            raise self.failures[min(self.failures)]

    async def drive(self, task: Task) -> None:
        """The life of one actor: to its first point, then turn by turn until it ends or the stage is over."""
        self.arrive(task)
        while not self.over and (task.point is not None or self.chosen is None):
            # A signal cancels this scope; once that has happened the task parks on in a new one.
            with trio.CancelScope() as scope:
                self.scopes[task.index] = scope
                while not self.over and not scope.cancel_called:
                    if self.chosen is not task:
                        await self.park(task)
                    if self.over or self.chosen is not task:
                        break
                    self.take_turn(task)
                    if task.point is None:
                        return

    def arrive(self, task: Task) -> None:
        """Bring an actor to its first point; the last one to arrive makes the first choice."""
        world = self.world
        if not self.started:
            world.current = task
            world.enable(task)
            self.advance(task)
        self.waiting -= 1
        if self.waiting == 0 and not self.over:
            self.hand_over()

    def take_turn(self, task: Task) -> None:
        world = self.world
        world.current = task
        self.turns.append(task.index)
        world.log.append(task.point)
        self.advance(task)
        if not self.over:
            self.hand_over()

    def advance(self, task: Task) -> None:
        """Run the actor to its next point. Whatever it raises ends the stage."""
        try:
            task.point = task.send(None)
        except StopIteration:
            self.world.finish(task)
        except BaseException as failure:
            self.fail(task, failure)

    def hand_over(self) -> None:
        """Choose the next task and wake it. Whatever the scheduler raises ends the stage."""
        enabled = self.world.enabled
        if not enabled or len(self.turns) >= self.limit:
            self.stop()
            return
        try:
            self.chosen = self.world.tasks[self.choose(enabled)]
        except BaseException as failure:
            self.fail(self.world.current, failure)
            return
        self.unpark(self.chosen.index)

    def choose(self, enabled: list[int]) -> int:
        scripted = next(self.script, -1)
        if scripted in enabled:
            return scripted
        self.script = iter(())
        return self.scheduler.next_task(enabled, self.turns[-1] if self.turns else -1)

    def fail(self, task: Task, failure: BaseException) -> None:
        self.failures[task.index] = failure
        self.stop()

    def stop(self) -> None:
        self.over = True
        for index in list(self.parked):
            self.unpark(index)

    def unpark(self, index: int) -> None:
        parked = self.parked.pop(index, None)
        if parked is not None:
            trio.lowlevel.reschedule(parked)

    async def park(self, task: Task) -> None:
        """Wait for the turn. A signal aborts the wait only as far as the model is concerned."""

        def abort(_: Callable[..., Any]) -> trio.lowlevel.Abort:
            if self.sending is None:
                self.parked.pop(task.index, None)
                return trio.lowlevel.Abort.SUCCEEDED
            self.world.deliver(task, self.sending)
            return trio.lowlevel.Abort.FAILED

        self.parked[task.index] = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def send_signal(self, task: Task, signal: Signal) -> None:
        """Cancel the victim's scope; its abort function delivers the signal to the model."""
        scope = self.scopes.get(task.index)
        if task is self.world.current or scope is None or scope.cancel_called:
            self.world.deliver(task, signal)
            return
        self.sending = signal
        scope.cancel()
        self.sending = None
