"""Mutations of programs: what tasks call, how many there are, and what they find.

A mutation may leave calls that make no sense where they stand; :func:`mended` makes a valid program of any.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.bytes_form import canonical
from daxfuzz.program.case import Argument, Call, Program
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope
from daxfuzz.program.signature import Holds, Kind

MOST_TASKS = 4
MOST_CALLS = 8
"""Beyond these a mutation does not add: large programs take long and show little more."""

MOST_FILES = 2
MOST_PAGES = 4

BIASES = (Machine().bias, 4, 8)
"""Few references do with a small one what takes a thousand with the kernel's."""

RELEASED = 0.8
"""How often each task gives back in the end what it holds. Who waits for the rest waits for ever, as designed."""

RELATED = 0.3
"""How often what is added is more of what is there."""

Edit = Callable[[Random, Program, Sequence[str]], Program]
"""Makes another program; the names are those of the operations that it may add."""


def edited(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """A valid program that differs in one place from a valid one, most times."""
    edit = rng.choices(tuple(EDITS), tuple(EDITS.values()))[0]
    return finished(rng, mended(rng, edit(rng, program, operations)))


def spliced(rng: Random, program: Program, other: Program) -> Program:
    """A valid program with a task of another one: in addition, or in place of one of its own."""
    calls = other.tasks[rng.choice(list(other.tasks))]
    if len(program.tasks) >= MOST_TASKS or rng.random() < 0.5:
        made = with_calls(program, rng.choice(list(program.tasks)), calls)
    else:
        made = with_task(program, calls, shared=rng.random() < 0.3)
    return finished(rng, mended(rng, made))


# -- edits -------------------------------------------------------------------------------------------------------


def insert(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """One call more."""
    task, at = any_place(rng, program)
    calls = program.tasks[task]
    if len(calls) >= MOST_CALLS:
        return remove(rng, program, operations)
    scope = scope_at(program, task, at)
    present = dict.fromkeys(call.name for each in program.tasks.values() for call in each)
    possible = [name for name in (present if rng.random() < RELATED else operations) if scope.allows(name)]
    if not possible:
        return program
    return with_calls(program, task, (*calls[:at], drawn_call(rng, rng.choice(possible), scope), *calls[at:]))


def remove(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """One call less."""
    task, at = any_call(rng, program)
    calls = program.tasks[task]
    return with_calls(program, task, calls[:at] + calls[at + 1 :])


def duplicate(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """A call once more, in whatever task."""
    source, at = any_call(rng, program)
    task, to = any_place(rng, program)
    calls = program.tasks[task]
    if len(calls) >= MOST_CALLS:
        return program
    return with_calls(program, task, (*calls[:to], *program.tasks[source][at : at + 1], *calls[to:]))


def swap(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """Two calls in each other's place, of one task or of two."""
    tasks = {task: list(calls) for task, calls in program.tasks.items()}
    one, i = any_call(rng, program)
    other, j = any_call(rng, program)
    if tasks[one] and tasks[other]:
        tasks[one][i], tasks[other][j] = tasks[other][j], tasks[one][i]
    return replace(program, tasks={task: tuple(calls) for task, calls in tasks.items()})


def retarget(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """Another argument in one call."""
    task, at = any_call(rng, program)
    calls = program.tasks[task]
    if not calls or not SIGNATURES[calls[at].name].parameters:
        return program
    scope = scope_at(program, task, at)
    changed = rng.randrange(len(SIGNATURES[calls[at].name].parameters))
    call = fitting_call(rng, calls[at], scope, {}, changed)
    return program if call is None else with_calls(program, task, (*calls[:at], call, *calls[at + 1 :]))


def add_task(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """A task more, with a call or with what another one does."""
    if len(program.tasks) >= MOST_TASKS:
        return remove_task(rng, program, operations)
    calls = program.tasks[rng.choice(list(program.tasks))] if rng.random() < RELATED else ()
    return insert(rng, with_task(program, calls, shared=rng.random() < 0.3), operations)


def remove_task(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """A task less."""
    if len(program.tasks) == 1:
        return program
    gone = rng.choice(list(program.tasks))
    mms = {mm: tuple(task for task in tasks if task != gone) for mm, tasks in program.setup.mms.items()}
    return replace(
        program,
        tasks={task: calls for task, calls in program.tasks.items() if task != gone},
        setup=replace(program.setup, mms={mm: tasks for mm, tasks in mms.items() if tasks}),
    )


def change_setup(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """Something else before the first step."""
    setup = program.setup
    file = rng.choice(list(setup.files))
    match rng.randrange(5):
        case 0:
            setup = replace(setup, prefault=not setup.prefault)
        case 1:
            setup = replace(setup, huge=not setup.huge)
        case 2:
            setup = replace(setup, files={**setup.files, file: rng.randint(1, MOST_PAGES)})
        case 3 if len(setup.files) < MOST_FILES:
            setup = replace(setup, files={**setup.files, f"file{len(setup.files)}": rng.randint(1, 2)})
        case _:
            setup = replace(setup, mms=drawn_spaces(rng, list(program.tasks)))
    return replace(program, setup=setup)


def change_machine(rng: Random, program: Program, operations: Sequence[str]) -> Program:
    """Another scale, or other hardware."""
    machine = program.machine
    match rng.randrange(4):
        case 0:
            machine = replace(machine, bias=rng.choice(BIASES))
        case 1:
            machine = replace(machine, tlb=rng.choice(tuple(TlbMode)))
        case 2:
            machine = replace(machine, wait_buckets=rng.choice((1, 2, 4)))
        case _:
            machine = replace(machine, merge_vmas=not machine.merge_vmas)
    return replace(program, machine=machine)


EDITS: dict[Edit, float] = {
    insert: 4.0,
    remove: 2.0,
    duplicate: 1.0,
    swap: 1.0,
    retarget: 2.0,
    add_task: 1.0,
    remove_task: 0.5,
    change_setup: 0.7,
    change_machine: 0.3,
}
"""With weights relative to each other."""


# -- parts of them -----------------------------------------------------------------------------------------------


def any_call(rng: Random, program: Program) -> tuple[str, int]:
    """A task and a position in it; that of a call, unless the task has none."""
    task = rng.choice([task for task, calls in program.tasks.items() if calls] or list(program.tasks))
    return task, rng.randrange(max(len(program.tasks[task]), 1))


def any_place(rng: Random, program: Program) -> tuple[str, int]:
    """A task and a place before, between or after its calls."""
    task = rng.choice(list(program.tasks))
    return task, rng.randint(0, len(program.tasks[task]))


def with_calls(program: Program, task: str, calls: tuple[Call, ...]) -> Program:
    """The program with other calls of one task."""
    return replace(program, tasks={**program.tasks, task: calls})


def with_task(program: Program, calls: tuple[Call, ...], shared: bool) -> Program:
    """The program with a task more, in the last address space or in one of its own."""
    name = new_name("t", program.tasks)
    mms = dict(program.setup.mms)
    mm = list(mms)[-1] if shared else new_name("mm", mms)
    mms[mm] = (*mms.get(mm, ()), name)
    return replace(program, tasks={**program.tasks, name: calls}, setup=replace(program.setup, mms=mms))


def new_name(prefix: str, names: Container[str]) -> str:
    """The first name with this prefix that is not taken."""
    return next(name for name in map(f"{prefix}{{}}".format, count()) if name not in names)


def drawn_spaces(rng: Random, tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each task in an address space of its own, or in that of an earlier one."""
    spaces: list[tuple[str, ...]] = []
    for task in tasks:
        at = rng.randrange(2 * len(spaces) + 1)
        if at < len(spaces):
            spaces[at] += (task,)
        else:
            spaces.append((task,))
    return {f"mm{index}": members for index, members in enumerate(spaces)}


def scope_at(program: Program, task: str, at: int) -> Scope:
    """What is valid in front of a call of a valid program with registers r0, r1, ... in each task."""
    scope = Scope(program.setup.files, tuple(program.tasks))
    for call in program.tasks[task][:at]:
        scope.take(call)
    return scope


def drawn_call(rng: Random, name: str, scope: Scope) -> Call:
    """A valid call of an operation that the scope allows."""
    arguments: list[Argument] = []
    for parameter in SIGNATURES[name].parameters:
        argument = rng.choice(scope.choices(parameter, arguments))
        if argument != OMITTED:
            arguments.append(argument)
    return Call(name, tuple(arguments), scope.result(name))


# -- validity ----------------------------------------------------------------------------------------------------


def mended(rng: Random, program: Program) -> Program:
    """A valid program in the names of the byte form: arguments that do not fit are drawn anew, calls that cannot be
    made go."""
    tasks = {f"t{index}": calls for index, calls in enumerate(program.tasks.values())}
    renamed = dict(zip(program.tasks, tasks, strict=True))
    mms = {f"mm{i}": tuple(renamed[task] for task in each) for i, each in enumerate(program.setup.mms.values())}
    files = program.setup.files
    kept = {task: mended_calls(rng, calls, Scope(files, tuple(tasks)), renamed) for task, calls in tasks.items()}
    return canonical(replace(program, tasks=kept, setup=replace(program.setup, mms=mms)))


def finished(rng: Random, program: Program) -> Program:
    """A valid program with what gives back the references that its registers hold in the end, most times."""
    if rng.random() >= RELEASED:
        return program
    tasks = {}
    for task, calls in program.tasks.items():
        held = scope_at(program, task, len(calls)).held
        tasks[task] = (*calls, *(Call(DROPS[holds], (register,)) for register, holds in held.items()))
    return replace(program, tasks=tasks)


DROPS = {Holds.GET: "put_page", Holds.PIN: "unpin_user_pages"}
"""What gives back a reference."""


def mended_calls(rng: Random, calls: Sequence[Call], scope: Scope, renamed: Mapping[str, str]) -> tuple[Call, ...]:
    """Those of the calls of a task that can be made. renamed: tasks, by the names that they had."""
    names = dict(renamed)
    kept = []
    for call in calls[: 2 * MOST_CALLS]:
        fitting = fitting_call(rng, call, scope, names)
        if fitting is None:
            continue
        scope.take(fitting)
        if call.result is not None and fitting.result is not None:
            names[call.result] = fitting.result
        kept.append(fitting)
    return tuple(kept)


def fitting_call(
    rng: Random, call: Call, scope: Scope, names: Mapping[str, str], changed: int | None = None
) -> Call | None:
    """A call with arguments that are valid in a scope, and are what they were if possible; None if there is none.

    names: what registers and tasks are called now, by the names that they had.
    changed: the position of a parameter that is to have another argument.
    """
    arguments: list[Argument] = []
    for position, (parameter, argument) in enumerate(SIGNATURES[call.name].bind(call.arguments)):
        wanted = OMITTED if argument is None else argument
        if parameter.kind in (Kind.REGISTER, Kind.TASK):
            wanted = names.get(str(wanted), wanted)
        choices = scope.choices(parameter, arguments)
        if not choices:
            return None
        if position == changed or wanted not in choices:
            wanted = rng.choice([choice for choice in choices if choice != wanted] or choices)
        if wanted != OMITTED:
            arguments.append(wanted)
    return Call(call.name, tuple(arguments), scope.result(call.name))
