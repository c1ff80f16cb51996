"""Programs as text on a kernel, steered from point to point."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build
from daxfuzz.search import default_task
from daxfuzz.sim import Execution, Scheduler, Stepper, Task, World
from daxfuzz.sim.trace import function_of

IPI = Machine(bias=8)
BROADCAST = Machine(bias=8, tlb=TlbMode.BROADCAST)


def program(
    tasks: Mapping[str, Sequence[str]],
    files: Mapping[str, int] | None = None,
    mms: Mapping[str, tuple[str, ...]] | None = None,
    prefault: bool = True,
    machine: Machine = IPI,
    clones: Mapping[str, str] | None = None,
    align: Align = Align.PAGE,
) -> Program:
    calls = {name: tuple(parse_call(call) for call in body) for name, body in tasks.items()}
    setup = Setup(files or {"file0": 1}, mms or {}, prefault, clones=clones or {}, align=align)
    return Program(calls, setup, machine)


def simulate(
    tasks: Mapping[str, Sequence[str]],
    protocol: str = "refcount-1",
    patches: tuple[str, ...] = (),
    subsystems: Mapping[str, type[Subsystem]] | None = None,
    filesystem: str = "ext4",
    **setup: Any,
) -> Simulation:
    kernel = build(protocol, patches).subsystems | dict(subsystems or {})
    return Simulation(program(tasks, **setup), kernel, filesystem)


def huge(
    tasks: dict[str, list[str]], pages: int = 2, protocol: str = "refcount-1", machine: Machine = IPI
) -> Simulation:
    """A file that is mapped with PMD entries as far as they fit."""
    calls = {name: tuple(parse_call(call) for call in body) for name, body in tasks.items()}
    program = Program(calls, Setup({"file0": pages}, huge=True), machine)
    return Simulation(program, build(protocol, ()).subsystems, "ext4")


def add_task(sim: Simulation, name: str, body: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """A further task, in no mm, that runs kernel functions directly; what they return goes into the list."""
    returned: list[Any] = []

    async def run() -> None:
        returned.append(await body())

    sim.world.spawn(name, run)
    return returned


Segment = tuple[str, str] | Callable[[], None]


class Steered(Scheduler):
    """Runs tasks one after the other, each up to a place; then goes by the default rule.

    A segment is (task, place): the task runs until its next access is at the place ("function.verb"), with "" until
    it blocks or ends, with "+" for one turn. A function is called between two turns.
    """

    def __init__(self, *segments: Segment) -> None:
        self.segments = list(segments)

    def new_execution(self, world: World) -> None:
        self.world = world

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        while self.segments:
            segment = self.segments[0]
            if callable(segment):
                segment()
            else:
                name, place = segment
                task = next(task for task in self.world.tasks if task.name == name)
                if task.index in enabled and not (place and self.place(task) == place):
                    if place == "+":
                        self.segments.pop(0)
                    return task.index
                assert not place or task.index in enabled, f"{name} blocks or ends before {place}"
            self.segments.pop(0)
        return default_task(enabled, current)

    def finish(self) -> None:
        """The segments that are left when nobody can go on."""
        for segment in self.segments:
            if callable(segment):
                segment()
            else:
                assert segment[1] == "", segment

    def place(self, task: Task) -> str:
        return f"{function_of(task.frames())}.{task.point.verb}"


def run(sim: Simulation, *segments: Segment, limit: int = 5_000) -> Execution:
    """One execution, without a violation, of which all segments were played."""
    steered = Steered(*segments)
    execution = Stepper(sim.world).run(steered, limit)
    assert execution.violation is None, execution.violation
    steered.finish()
    return execution


def points(execution: Execution, task: int) -> list[str]:
    """What a task accessed, in order."""
    return [repr(step.point) for step in execution.steps() if step.task == task]
