"""Between the text form of a case and the byte form of fuzzers, which has no kernel, no names and no finding."""

from __future__ import annotations

from dataclasses import replace

from daxfuzz.program.bytes_form import decode, encode
from daxfuzz.program.case import Case, Schedule
from daxfuzz.program.processes import address_spaces
from daxfuzz.search import OrderReplay, Replay, SparseReplay, sparsify
from daxfuzz.sim import Scheduler, SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.replay import NONE, steps_of, turns_of
from daxfuzz.triage.reproduce import scheduled


def case_of(data: bytes, kernel: KernelChoice) -> Case:
    """What any bytes mean on a kernel: a case with its steps that declares what it shows.

    Raises as composing and running the kernel does.
    """
    program, schedule = decode(data)
    execution = Bench(program, kernel).run(SparseReplay(schedule))
    found = verdict(execution)
    finding = NONE if found is None else found.kind
    named = replace(program, setup=replace(program.setup, mms=address_spaces(program)))
    return Case(named, kernel.spec, finding, schedule=Schedule(steps_of(program, execution.turns)))


def bytes_of(case: Case, kernel: KernelChoice) -> bytes:
    """The byte form of a case: its program, and the turns that it takes on its kernel.

    Raises ValueError for what the byte form cannot hold, and as composing and running the kernel does.
    """
    return encode(case.program, schedule_of(case, kernel))


def schedule_of(case: Case, kernel: KernelChoice) -> SparseSchedule:
    """The switches of a case: of its steps, else of its order, else none."""
    scheduler: Scheduler
    if case.schedule.steps:
        scheduler = Replay(turns_of(case))
    elif case.schedule.order:
        scheduler = OrderReplay(case.schedule.order)
    else:
        return SparseSchedule()
    bench = Bench(case.program, kernel)
    return sparsify(bench.sim.world, scheduled(bench.run(scheduler))).schedule
