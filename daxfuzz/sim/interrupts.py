"""Interrupt-off sections and inter-processor interrupts: each task runs on a processor of its own."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared

if TYPE_CHECKING:
    from daxfuzz.sim.task import Task
    from daxfuzz.sim.world import World


class Interrupts(Shared):
    """local_irq_save, local_irq_restore and smp_call_function_many.

    A processor runs a function sent to it at once if its interrupts are on, and otherwise when it turns them on
    again. A section with interrupts off is not atomic against other processors: it only holds up the sender's wait.

    What is sent touches only what belongs to the processor that runs it, which its own task touches without
    declaring it (a TLB). So sending is a wide step, and the end of a section with functions pending is not.
    """

    __slots__ = ("_off", "_on", "_send", "_wait", "pending")
    GUARDED = ("pending",)
    TRACKED = True

    def __init__(self, world: World, name: str = "interrupts") -> None:
        super().__init__(world, name)
        self.pending: tuple[tuple[int, int, Callable[[int], None]], ...] = ()
        self._off = self.point(Access.ADD, "local_irq_save")
        self._on = self.point(Access.ADD, "local_irq_restore")
        self._send = self.point(Access.WAKE, "send_ipi", wide=True)
        self._wait = self.point(Access.SLEEP, "wait_ipi")

    @types.coroutine
    def local_irq_save(self) -> Generator[Point, None, None]:
        """Turn interrupts of this processor off; sections nest."""
        if not self.world.goes_on(self._off):
            yield self._off
        self.world.current.irq_depth += 1

    @types.coroutine
    def local_irq_restore(self) -> Generator[Point, None, None]:
        """End the innermost section; the outermost one's end runs what was sent meanwhile."""
        if not self.world.goes_on(self._on):
            yield self._on
        self.turn_on(self.world.current)

    def turn_on(self, task: Task) -> None:
        """The end of a section as part of another step, such as spin_unlock_irq.

        Raises RuntimeError if interrupts are on.
        """
        if not task.irq_depth:
            raise RuntimeError(f"{task.name} turns interrupts on, which are on already")
        task.irq_depth -= 1
        if self.pending and not task.irq_depth:
            self._serve(task)

    def _serve(self, task: Task) -> None:
        """Run what was sent to the processor of a task."""
        mine = [entry for entry in self.pending if entry[1] == task.index]
        if not mine:
            return
        self.pending = tuple(entry for entry in self.pending if entry[1] != task.index)
        for sender, target, function in mine:
            function(target)
            if all(entry[0] != sender for entry in self.pending):
                self.world.enable(self.world.tasks[sender])

    @types.coroutine
    def call_function(self, targets: Iterable[int], function: Callable[[int], None]) -> Generator[Point, None, None]:
        """Run `function(index)` on the processors of the given tasks and wait until all have done so.

        Two steps: sending, and the wait for the last answer. The caller's own processor is served at once.
        """
        if not self.world.goes_on(self._send):
            yield self._send
        me = self.world.current
        tasks = self.world.tasks
        late = []
        for target in targets:
            if target != me.index and tasks[target].irq_depth:
                late.append((me.index, target, function))
            else:
                function(target)
        if late:
            self.pending += tuple(late)
            if self.clean:
                self.touch()
            self.world.block(me, self)
        if not self.world.goes_on(self._wait):
            yield self._wait

    def owners(self) -> tuple[int, ...]:
        return tuple(entry[1] for entry in self.pending)

    def state(self) -> Hashable:
        depths = tuple(task.irq_depth for task in self.world.tasks)
        return depths, tuple((sender, target) for sender, target, _ in self.pending)

    def restore(self, state: Any) -> None:
        # A world is sealed at rest: nobody has interrupts off and nothing is on its way.
        assert not any(state[0])
        assert not state[1]
        self.pending = ()
