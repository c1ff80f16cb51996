from __future__ import annotations

from collections.abc import Callable

from daxfuzz.program.dax_file import loads_case
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build
from daxfuzz.search import Sequential
from daxfuzz.sim import Stepper

WAITING = """\
daxfuzz = 1
protocol = "refcount-1"
[tasks]
pinner = ["vmsplice(file0, 0)", "pipe_read()"]
truncator = ["truncate(file0, 0)", "fsync(file0)"]
killer = ["signal(truncator)"]
"""


def results(turns: tuple[int, ...], on_settled: Callable[[Simulation], None] = lambda simulation: None) -> list[object]:
    """What the calls of each task return, one call after the other."""
    simulation = Simulation(loads_case(WAITING).program, build("refcount-1", ()).subsystems, "ext4")
    returned: list[object] = []
    simulation.on_end.append(lambda task, call, result: returned.append((task.name, result)))
    scheduler = Sequential(turns, lambda: on_settled(simulation))
    assert Stepper(simulation.world).run(scheduler).violation is None
    scheduler.finish()
    return returned


def test_a_call_begins_when_all_others_have_ended_or_wait() -> None:
    assert results((0, 1, 0)) == [("pinner", 0), ("pinner", 0), ("truncator", 0), ("truncator", 0), ("killer", 0)]


def test_the_turn_of_a_task_that_waits_is_passed_over() -> None:
    calls = []
    results((0, 1, 1, 0), lambda simulation: calls.append([len(each) for each in simulation.results]))
    assert calls[:5] == [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [2, 1, 0]]


def test_a_signal_interrupts_a_wait_but_not_a_call_that_comes_later() -> None:
    assert ("truncator", -512) in results((0, 1, 2))
    assert results((2, 0, 1, 0))[-2:] == [("truncator", 0), ("truncator", 0)]


def test_all_turns_are_settled_once_when_nobody_can_go_on() -> None:
    settled = []
    results((0, 1, 1, 1), lambda simulation: settled.append(len(simulation.world.enabled)))
    assert len(settled) >= 5
