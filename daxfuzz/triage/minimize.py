"""Smaller programs and simpler schedules that fail in the same way.

Simpler means fewer tasks, then fewer operations, then fewer preemptions, choices and steps. Programs are reduced by
deletion first and then in scale; a candidate counts as failing if :func:`~daxfuzz.triage.reproduce.search` finds a
failure of the same kind. The schedule is then the first failing one of an enumeration in that order, so it is
exactly minimal in preemptions and choices unless the bound cut the enumeration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.calls import CallError, check_calls
from daxfuzz.program.case import Argument, Call, Program
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.processes import address_spaces
from daxfuzz.program.signature import Kind
from daxfuzz.search import OrderReplay, SparseReplay, bounded_runs, sparsify
from daxfuzz.sim import Scheduler, SparseSchedule
from daxfuzz.triage.bench import Bench, verdict
from daxfuzz.triage.reproduce import (
    QUICK,
    SLIGHT,
    Effort,
    Failure,
    counted_from_the_end,
    hand_overs,
    hints_of,
    patience,
    replay,
    scheduled,
    search,
    settled,
    totals,
    with_fair_turns,
)

ENUMERATED = 4_000
"""Executions spent on schedules with at most one preemption."""

ENUMERATED_DEEP = 12_000
"""And with at most two, if one is not enough."""

Progress = Callable[[Failure], None]


@dataclass(frozen=True, slots=True)
class Minimum:
    """A minimized failure with what its schedule costs.

    exact: whether all simpler schedules that the enumeration gets to were tried.
    """

    failure: Failure
    schedule: SparseSchedule
    preemptions: int
    choices: int
    exact: bool = False


def minimize(failure: Failure, progress: Progress | None = None) -> Minimum:
    """The minimum of a failure; `progress` is called with each smaller one on the way."""
    best = simplest(plain_names(reduce_program(settled(failure), SLIGHT, progress)))
    while True:
        # A simple schedule is easier to repeat in a smaller program than the one that chance had found.
        smaller = plain_names(reduce_program(best.failure, QUICK, progress))
        if smaller.program == best.failure.program:
            simpler = exactly_simplest(best)
            if simpler.failure is best.failure:
                best = simpler
                break
            best = simpler
        else:
            best = simplest(smaller)
    return in_best_order(best)


def in_best_order(minimum: Minimum) -> Minimum:
    """With the tasks in the order that takes the fewest choices."""
    best = minimum
    if best.choices:
        for order in list(permutations(best.failure.program.tasks))[1:]:
            best = min(best, without_switches(reordered(best.failure, order)), key=cost)
    return best


def cost(minimum: Minimum) -> tuple[int, int, int]:
    """What makes a schedule simple."""
    return minimum.preemptions, minimum.choices, len(minimum.failure.execution.turns)


# -- programs ----------------------------------------------------------------------------------------------------


def reduce_program(failure: Failure, effort: Effort, progress: Progress | None) -> Failure:
    """Apply reductions until none of them leaves a program that still fails, as far as the effort shows.

    After a success it goes on at the same place in the list, where the next untried reduction stands.
    """
    position = untried = 0
    hints = Hints(failure)
    while True:
        candidates = list(reductions(failure.program))
        if untried >= len(candidates):
            return failure
        candidate = candidates[position % len(candidates)]
        repeats = hints.for_program(candidate)
        smaller = search(candidate, failure.kernel, failure.goal, effort, repeats, patience(failure))
        if smaller is None:
            position += 1
            untried += 1
            continue
        failure = smaller
        hints = Hints(failure)
        untried = 0
        if progress is not None:
            progress(failure)


class Hints:
    """How to repeat a failure in a program that is a little smaller."""

    def __init__(self, failure: Failure) -> None:
        self.kernel = failure.kernel
        self.plain = hints_of(failure)
        self.constraints = hand_overs(failure)
        self.totals = totals(failure.program, failure.kernel)

    def for_program(self, program: Program) -> list[Scheduler]:
        """By position, by labels counted from the start, and by labels counted from the end."""
        moved = counted_from_the_end(self.constraints, self.totals, totals(program, self.kernel))
        return [*self.plain, OrderReplay(moved)]


def reductions(program: Program) -> Iterator[Program]:
    """Programs that are one step simpler, the largest step first; all of them valid."""
    for candidate in (*fewer_tasks(program), *fewer_calls(program), *smaller_scale(program), *merged_tasks(program)):
        if candidate == program:
            continue
        try:
            check_calls(candidate)
        except CallError:
            continue
        yield candidate


def fewer_tasks(program: Program) -> Iterator[Program]:
    """Without one task."""
    if len(program.tasks) > 1:
        for name in program.tasks:
            yield with_tasks(program, {other: calls for other, calls in program.tasks.items() if other != name})


def merged_tasks(program: Program) -> Iterator[Program]:
    """With the calls of one task made by another, at any place among its own; two tasks at least remain."""
    if len(program.tasks) < 3:
        return
    for guest in program.tasks:
        for host in program.tasks:
            if guest == host:
                continue
            renamed = with_own_registers(program.tasks[guest], program.tasks[host])
            calls = program.tasks[host]
            for position in range(len(calls) + 1):
                merged = (*calls[:position], *renamed, *calls[position:])
                rest = {name: own for name, own in program.tasks.items() if name != guest}
                yield with_tasks(program, {**rest, host: merged})


def with_own_registers(calls: tuple[Call, ...], others: tuple[Call, ...]) -> tuple[Call, ...]:
    """Calls with registers that the other calls do not use."""
    taken = [call.result for call in others if call.result is not None]
    names: dict[str, str] = {}
    for call in calls:
        if call.result is not None and call.result not in names:
            names[call.result] = next(name for i in range(1000) if (name := f"r{i}") not in taken)
            taken.append(names[call.result])
    return tuple(
        replace(
            call,
            arguments=tuple(
                names.get(argument, argument) if isinstance(argument, str) else argument for argument in call.arguments
            ),
            result=None if call.result is None else names[call.result],
        )
        for call in calls
    )


def fewer_calls(program: Program) -> Iterator[Program]:
    """Without one call, and without the calls that use its register."""
    for name, calls in program.tasks.items():
        for position in reversed(range(len(calls))):
            register = calls[position].result
            kept = [
                call
                for other, call in enumerate(calls)
                if other != position and not (register is not None and register in call.arguments)
            ]
            yield with_tasks(program, {**program.tasks, name: tuple(kept)})


def with_tasks(program: Program, tasks: Mapping[str, tuple[Call, ...]]) -> Program:
    """The program with other tasks; signals to tasks that are gone go, too, and so do empty tasks."""
    present = [name for name, calls in tasks.items() if calls]
    kept = {
        name: tuple(call for call in tasks[name] if call.name != "signal" or call.arguments[0] in present)
        for name in present
    }
    spaces = {
        mm: tuple(member for member in members if member in kept) for mm, members in address_spaces(program).items()
    }
    setup = replace(program.setup, mms={mm: members for mm, members in spaces.items() if members})
    return replace(program, tasks=kept, setup=setup)


def smaller_scale(program: Program) -> Iterator[Program]:
    """Plainer hardware, fewer files, fewer pages, first pages, address spaces of their own."""
    plain = Machine()
    machine = program.machine
    for simpler in (
        replace(machine, tlb=TlbMode.IPI),
        replace(machine, merge_vmas=True),
        replace(machine, low_memory=False),
        replace(machine, xa_check_sched=plain.xa_check_sched),
        replace(machine, spare_blocks=plain.spare_blocks),
        replace(machine, ram_pages=plain.ram_pages),
        replace(machine, rmapbt=True),
        replace(machine, wait_buckets=plain.wait_buckets),
        replace(machine, bias=min(machine.bias, 8)),
        replace(machine, bias=min(machine.bias, 4)),
    ):
        yield replace(program, machine=simpler)
    setup = program.setup
    used = [argument for calls in program.tasks.values() for call in calls for argument in call.arguments]
    for file, pages in setup.files.items():
        if file not in used and len(setup.files) > 1:
            rest = {other: size for other, size in setup.files.items() if other != file}
            clones = {clone: original for clone, original in setup.clones.items() if file not in (clone, original)}
            yield replace(program, setup=replace(setup, files=rest, clones=clones))
        elif pages > 1:
            yield replace(program, setup=replace(setup, files={**setup.files, file: pages - 1}))
        if pages > 1:
            yield with_lower_pages(program, file)
    for file in setup.clones:
        fewer = {clone: original for clone, original in setup.clones.items() if clone != file}
        yield replace(program, setup=replace(setup, clones=fewer))
    yield replace(program, setup=replace(setup, prefault=True))
    yield replace(program, setup=replace(setup, huge=False))
    for align in (Align.PAGE, Align.PMD):
        if setup.align not in (Align.PAGE, align):
            yield replace(program, setup=replace(setup, align=align))
    yield replace(program, setup=replace(setup, mms={}))
    yield renamed_file(program, next(iter(setup.files)), "file0")
    for name, calls in program.tasks.items():
        for position, call in enumerate(calls):
            for simpler_call in simpler_arguments(call):
                changed = (*calls[:position], simpler_call, *calls[position + 1 :])
                yield replace(program, tasks={**program.tasks, name: changed})


def with_lower_pages(program: Program, file: str) -> Program:
    """With every page of a file that any call names lower by one, where none is the first."""

    def lowered(call: Call) -> Call:
        arguments: list[Argument] = []
        named: Argument = ""
        for parameter, argument in SIGNATURES[call.name].bind(call.arguments):
            if argument is None:
                continue
            if parameter.kind is Kind.FILE:
                named = argument
            lower = parameter.kind in (Kind.PAGE, Kind.OFFSET, Kind.SIZE) and isinstance(argument, int)
            arguments.append(max(int(argument) - 1, 0) if lower and named == file else argument)
        return replace(call, arguments=tuple(arguments))

    return replace(program, tasks={name: tuple(map(lowered, calls)) for name, calls in program.tasks.items()})


def simpler_arguments(call: Call) -> Iterator[Call]:
    """The call on the first page, for one page, without what can be left out."""
    smallest = {Kind.PAGE: 0, Kind.OFFSET: 0, Kind.SIZE: 0, Kind.LENGTH: 1}
    bound = SIGNATURES[call.name].bind(call.arguments)
    present = [parameter for parameter, argument in bound if argument is not None]
    for position, parameter in enumerate(present):
        before, after = call.arguments[:position], call.arguments[position + 1 :]
        if parameter.kind in smallest and call.arguments[position] != smallest[parameter.kind]:
            yield replace(call, arguments=(*before, smallest[parameter.kind], *after))
        if parameter.optional:
            yield replace(call, arguments=(*before, *after))


def renamed_file(program: Program, old: str, new: str) -> Program:
    """The program with another name for a file."""
    if new in program.setup.files:
        return program
    files = {new if name == old else name: pages for name, pages in program.setup.files.items()}
    tasks = {
        task: tuple(
            replace(call, arguments=tuple(new if argument == old else argument for argument in call.arguments))
            for call in calls
        )
        for task, calls in program.tasks.items()
    }
    names = {name: new if name == old else name for name in program.setup.files}
    clones = {names[file]: names[original] for file, original in program.setup.clones.items()}
    return replace(program, tasks=tasks, setup=replace(program.setup, files=files, clones=clones))


def reordered(failure: Failure, order: tuple[str, ...]) -> Failure:
    """The same program with its tasks in another order, and the turns renumbered."""
    program = failure.program
    spaces = address_spaces(program)
    alone = all(len(members) == 1 for members in spaces.values())
    setup = replace(program.setup, mms={} if alone else spaces)
    renamed = replace(program, tasks={name: program.tasks[name] for name in order}, setup=setup)
    number = {old: order.index(name) for old, name in enumerate(program.tasks)}
    turns = [number[turn] for turn in scheduled(failure.execution)]
    return same_turns(failure, renamed, turns) or failure


def same_turns(failure: Failure, program: Program, turns: Sequence[int]) -> Failure | None:
    """The failure in another program, if these turns show it there."""
    again = replay(program, failure.kernel, turns, patience(failure))
    if again is None or not failure.goal.met(again.violation):
        return None
    return replace(again, in_place=failure.in_place)


def plain_names(failure: Failure) -> Failure:
    """Tasks without the numbers that no namesake makes necessary any more; the turns stay."""
    program = failure.program
    plain = {name: name.rstrip("0123456789") for name in program.tasks}
    names = {name: plain[name] if list(plain.values()).count(plain[name]) == 1 else name for name in plain}
    tasks = {
        names[task]: tuple(
            replace(call, arguments=tuple(names.get(str(argument), argument) for argument in call.arguments))
            if call.name == "signal"
            else call
            for call in calls
        )
        for task, calls in program.tasks.items()
    }
    spaces = {mm: tuple(names[member] for member in members) for mm, members in program.setup.mms.items()}
    renamed = replace(program, tasks=tasks, setup=replace(program.setup, mms=spaces))
    return same_turns(failure, renamed, scheduled(failure.execution)) or failure


# -- schedules ---------------------------------------------------------------------------------------------------


def simplest(failure: Failure) -> Minimum:
    """The simplest failing schedule with at most one preemption, else the known one with fewer switches."""
    known = without_switches(failure)
    return known if known.preemptions < 1 else enumerated(known, ENUMERATED, 1)


def exactly_simplest(minimum: Minimum) -> Minimum:
    """The last word on a schedule that needs more than one preemption: enumerate those with two."""
    if minimum.exact or minimum.preemptions < 2:
        return minimum
    return replace(enumerated(minimum, ENUMERATED_DEEP, 2), exact=True)


def enumerated(known: Minimum, executions: int, preemptions: int) -> Minimum:
    """The better of a known schedule and the first failing one of the enumeration."""
    found = first_failing(known.failure, executions, preemptions)
    return known if found is None else min(found, known, key=cost)


def first_failing(failure: Failure, executions: int, preemptions: int) -> Minimum | None:
    """The cheapest failing schedule; among equally cheap ones that the enumeration still sees, the shortest."""
    bench = Bench(failure.program, failure.kernel)
    limit = patience(failure)
    best: Minimum | None = None
    for run in bounded_runs(bench.sim.world, executions, preemptions, limit):
        if best is not None and (run.preemptions, run.choices) != (best.preemptions, best.choices):
            break
        execution = with_fair_turns(bench, run.execution, limit)
        found = verdict(execution)
        if found is None or not failure.goal.met(found):
            continue
        same = replace(failure, execution=execution, violation=found)
        this = Minimum(same, run.schedule, run.preemptions, run.choices)
        best = this if best is None else min(best, this, key=cost)
    return best


def without_switches(failure: Failure) -> Minimum:
    """Drop switches of a failing schedule, ever fewer at a time, as long as it still fails; the last ones first."""
    bench = Bench(failure.program, failure.kernel)
    best = minimum_of(bench, failure)
    size = max(len(best.schedule.switches) // 2, 1)
    while True:
        before = best
        end = len(best.schedule.switches)
        while end > 0:
            best = without_some(bench, best, max(end - size, 0), end) or best
            end = min(end - size, len(best.schedule.switches))
        if best is before:
            if size == 1:
                return best
            size //= 2


def without_some(bench: Bench, minimum: Minimum, start: int, end: int) -> Minimum | None:
    """The failure without some of its switches; None if it is none then, or no simpler."""
    switches = minimum.schedule.switches
    fewer = SparseSchedule(switches[:start] + switches[end:])
    execution = bench.run(SparseReplay(fewer), patience(minimum.failure))
    found = verdict(execution)
    if found is None or not minimum.failure.goal.met(found):
        return None
    candidate = minimum_of(bench, replace(minimum.failure, execution=execution, violation=found))
    return candidate if cost(candidate) < cost(minimum) else None


def minimum_of(bench: Bench, failure: Failure) -> Minimum:
    """A failure with the cost of its schedule."""
    switches = sparsify(bench.sim.world, scheduled(failure.execution))
    return Minimum(failure, switches.schedule, switches.preemptions, switches.choices)
