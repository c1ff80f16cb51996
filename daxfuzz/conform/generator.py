"""Sequences that nobody has written: any calls that a real kernel can be asked for, in any order."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.conform.calls import NotExpressible
from daxfuzz.conform.real import check
from daxfuzz.conform.sequence import Sequence, sequence
from daxfuzz.kernel.machine import Machine
from daxfuzz.program.calls import CallError, check_calls
from daxfuzz.program.case import Argument, Call, Case, KernelSpec, Program, Schedule, Setup
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope
from daxfuzz.program.signature import Kind

WEIGHTS = {
    "load": 10,
    "store": 10,
    "vmsplice": 12,
    "pipe_read": 8,
    "direct_read": 10,
    "bio_endio": 8,
    "get_user_pages_fast": 6,
    "put_page": 6,
    "truncate": 12,
    "fallocate": 12,
    "munmap": 6,
    "mmap": 5,
    "madvise": 4,
    "mremap": 2,
    "write": 5,
    "pwrite": 2,
    "fsync": 3,
    "signal": 5,
    "close": 2,
    "unlink": 3,
    "open": 3,
    "drop_caches": 2,
    "exit": 2,
    "freeze": 1,
    "thaw": 1,
    "pin_user_pages_fast": 1,
}
"""Operations, the more often the higher the number."""

FLAGS = {
    "get_user_pages_fast": ("READ_ONLY",),
    "pin_user_pages_fast": ("FOLL_LONGTERM",),
    "madvise": ("MADV_DONTNEED",),
}
"""Of operations that a real kernel can only be asked for with a flag, that one."""

MOST_CALLS = 9


def generate(rng: Random, name: str) -> Sequence:
    """A sequence that a real kernel can run."""
    while True:
        try:
            found = sequence(name, draw(rng))
            check_calls(found.program)
            check(found)
        except (NotExpressible, CallError):
            continue
        return found


def draw(rng: Random) -> Case:
    """A case with its calls in a random order; not all can be run on a real kernel."""
    huge = rng.random() < 0.15
    files = {"file0": rng.choice((1, 2, 2, 2, 3))} | ({"file1": rng.choice((1, 2))} if rng.random() < 0.2 else {})
    tasks = [f"t{number}" for number in range(rng.choice((1, 2, 2, 3, 3, 4)))]
    child = tasks[-1] if len(tasks) > 1 and rng.random() < 0.2 else None
    scopes = {task: Scope(files, [other for other in tasks if other != task] or tasks) for task in tasks}
    calls: dict[str, list[Call]] = {task: [] for task in tasks}
    turns: list[str] = []
    for _ in range(rng.randint(2, MOST_CALLS)):
        task = rng.choice(tasks)
        calls[task].append(draw_call(rng, scopes[task]))
        turns.append(task)
    if child is not None:
        parent = rng.choice(tasks[:-1])
        position = rng.randint(0, len(turns))
        calls[parent].insert(turns[:position].count(parent), Call("fork", (child,)))
        turns.insert(position, parent)
    program = Program(
        {task: tuple(made) for task, made in calls.items() if made},
        Setup(files, spaces(rng, [task for task in tasks if calls[task]], child), rng.random() < 0.85, huge),
    )
    return Case(program, KernelSpec("refcount-1"), schedule=Schedule(calls=tuple((task, 1) for task in turns)))


def spaces(rng: Random, tasks: list[str], child: str | None) -> dict[str, tuple[str, ...]]:
    """Processes: mostly one a task, and now and then the first two tasks are threads of one."""
    groups = [(task,) for task in tasks]
    if len(tasks) > 1 and tasks[1] != child and rng.random() < 0.2:
        groups[:2] = [(tasks[0], tasks[1])]  # type: ignore[list-item]
    return {f"mm{number}": group for number, group in enumerate(groups)}


def draw_call(rng: Random, scope: Scope) -> Call:
    """A call that is valid in its place."""
    possible = [name for name in WEIGHTS if scope.allows(name)]
    name = rng.choices(possible, [WEIGHTS[each] for each in possible])[0]
    arguments: list[Argument] = []
    for parameter in SIGNATURES[name].parameters:
        choices = list(scope.choices(parameter, arguments))
        if parameter.kind is Kind.FLAG and name in FLAGS:
            choices = list(FLAGS[name])
        argument = rng.choice(choices)
        if argument != OMITTED:
            arguments.append(argument)
    call = Call(name, tuple(arguments), scope.result(name))
    scope.take(call)
    return call


def case_of(found: Sequence) -> Case:
    """The case that says the same as a sequence."""
    names = list(found.program.tasks)
    program = replace(found.program, machine=Machine())
    return Case(
        program, KernelSpec("refcount-1"), schedule=Schedule(calls=tuple((names[turn], 1) for turn in found.turns))
    )
