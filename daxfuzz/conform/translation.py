"""A case of the model as calls that a real kernel can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from daxfuzz.conform.calls import NotExpressible
from daxfuzz.conform.sequence import SPARE_BLOCKS
from daxfuzz.kernel.machine import GUP_PIN_COUNTING_BIAS
from daxfuzz.program.case import Call, Case, Program
from daxfuzz.search import Replay
from daxfuzz.sim import Task
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.replay import replay_case

READING = "references for reading stand for those for writing"
DIRECT = "direct reads, whose disk answers later, stand for pins"
WRITES = "the disk writes when it answers"

Place = tuple[int, int]
"""A call: the index of its task, and its position there."""


def translated(program: Program) -> tuple[Program, dict[Place, Place], list[str]]:
    """The program in terms of system calls, where its calls went, and what stands for what.

    A call that is part of another one by then has no place. Raises NotExpressible.
    """
    places: dict[Place, Place] = {}
    notes: list[str] = []
    tasks = {}
    for index, (name, calls) in enumerate(program.tasks.items()):
        made: list[Call] = []
        pinned: set[str] = set()
        for position, call in enumerate(calls):
            for new in _call(call, pinned, notes):
                places[index, position] = (index, len(made))
                made.append(new)
        tasks[name] = tuple(made)
    machine = replace(program.machine, bias=GUP_PIN_COUNTING_BIAS, spare_blocks=SPARE_BLOCKS)
    return replace(program, tasks=tasks, machine=machine), places, list(dict.fromkeys(notes))


def _call(call: Call, pinned: set[str], notes: list[str]) -> Iterator[Call]:
    """What stands for one call. pinned: registers of the task that direct reads stand for."""
    register = str(call.arguments[0]) if call.arguments else ""
    if call.name.startswith("get_user_pages") and "READ_ONLY" not in call.arguments:
        notes.append(READING)
        yield replace(call, arguments=(*call.arguments, "READ_ONLY"))
    elif call.name.startswith("pin_user_pages") and "FOLL_LONGTERM" not in call.arguments:
        lengths = [argument for argument in call.arguments[2:] if isinstance(argument, int)]
        if lengths and lengths[0] > 1:
            raise NotExpressible("a pin of several pages at once")
        notes.append(DIRECT)
        pinned.add(str(call.result))
        yield Call("direct_read", (*call.arguments[:2], 1))
    elif call.name == "unpin_user_pages" and register in pinned:
        yield Call("bio_endio")
    elif call.name == "dma_write":
        if register not in pinned:
            raise NotExpressible("a device that writes through a plain reference whenever it likes")
        notes.append(WRITES)
    else:
        yield call


def beginnings(case: Case, kernel: KernelChoice) -> list[list[Place]]:
    """The calls of a case in the order in which they begin when it is replayed.

    Those that begin while another one could go on are in one group with it: they race.
    """
    replayed = replay_case(case, kernel)
    bench = Bench(case.program, kernel)
    tasks = bench.sim.world.tasks
    groups: list[list[Place]] = []

    def begin(task: Task, call: Call) -> None:
        me = bench.sim.world.current
        racing = any(other is not me and other.operation >= 0 and other.runnable for other in tasks)
        if not racing or not groups:
            groups.append([])
        groups[-1].append((me.index, me.operation))

    bench.sim.on_begin.append(begin)
    bench.run(Replay(replayed.execution.turns))
    return groups
