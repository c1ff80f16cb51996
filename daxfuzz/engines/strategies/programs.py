"""Strategies for programs: any calls that are valid, or what the generator's actors do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.case import Argument, Call, Program, Setup
from daxfuzz.program.errors import did_you_mean
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.generator.tasks import draw_calls, name_tasks
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope

BIASES = (Machine().bias, 4, 8)
"""Of GUP_PIN_COUNTING_BIAS. Few references do with a small one what takes a thousand with the kernel's."""


def machines() -> st.SearchStrategy[Machine]:
    """Scale and hardware: the default machine is the simplest."""
    return st.builds(
        Machine,
        bias=st.sampled_from(BIASES),
        tlb=st.sampled_from(TlbMode),
        wait_buckets=st.sampled_from((Machine().wait_buckets, 1, 4)),
        merge_vmas=st.sampled_from((True, False)),
    )


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    roles: Sequence[str] | None = None,
    operations: Sequence[str] | None = None,
    tasks: int = 3,
    calls: int = 4,
    files: int = 1,
    pages: int = 2,
    machine: st.SearchStrategy[Machine] | None = None,
) -> Program:
    """Valid programs. They shrink to fewer tasks, then fewer calls, then lower numbers.

    roles: one task each, which does what such actors of the generator do (truncator, pinner, mapper, ...); by
        default each task makes any calls.
    operations: those that may be called, by name, where there are no roles; by default all.
    tasks, calls: at most so many tasks, and so many calls in each, where there are no roles.
    files, pages: at most so many files, and so many pages in each.
    machine: what it runs on; by default :func:`machines`.

    Raises ValueError for names that there are not, and for numbers below 1.
    """
    if min(tasks, calls, files, pages) < 1:
        raise ValueError("a program has at least one task, call, file and page")
    sizes = {f"file{i}": draw(st.integers(1, pages)) for i in range(draw(st.integers(1, files)))}
    hardware = draw(machines() if machine is None else machine)
    if roles is None:
        allowed = among("operation", operations, SIGNATURES)
        names = [f"t{i}" for i in range(draw(st.integers(1, tasks)))]
        spaces = draw(address_spaces(names))
        done = {name: draw(call_lists(sizes, names, allowed, calls)) for name in names}
    else:
        names = name_tasks(among("role", roles, ROLES))
        spaces = draw(address_spaces(names))
        rng = draw(st.randoms(use_true_random=False))
        done = {name: draw_calls(rng, hardware, sizes, spaces, names, name) for name in names}
    return Program(done, Setup(sizes, spaces, prefault=draw(st.sampled_from((True, False)))), hardware)


@st.composite
def address_spaces(draw: st.DrawFn, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each task has a process of its own, which is simplest, or is a thread of an earlier one's."""
    groups: list[list[str]] = []
    for name in names:
        number = draw(st.integers(0, len(groups)))
        if number:
            groups[number - 1].append(name)
        else:
            groups.append([name])
    return {f"mm{i}": tuple(group) for i, group in enumerate(groups)}


@st.composite
def call_lists(
    draw: st.DrawFn, files: Mapping[str, int], tasks: Sequence[str], operations: Sequence[str], most: int
) -> tuple[Call, ...]:
    """Up to so many valid calls of one task, of these operations."""
    scope = Scope(files, tasks)
    done: list[Call] = []
    # Each call has a draw of its own that says whether there is one, so that any of them can be taken out.
    while len(done) < most and draw(st.booleans()):
        possible = [name for name in operations if scope.allows(name)]
        if not possible:
            break
        name = draw(st.sampled_from(possible))
        arguments: list[Argument] = []
        for parameter in SIGNATURES[name].parameters:
            argument = draw(st.sampled_from(scope.choices(parameter, arguments)))
            if argument != OMITTED:
                arguments.append(argument)
        call = Call(name, tuple(arguments), scope.result(name))
        scope.take(call)
        done.append(call)
    return tuple(done)


def among(what: str, names: Sequence[str] | None, known: Mapping[str, object]) -> list[str]:
    """These names, or all that there are. Raises ValueError for one that there is not."""
    for name in names or ():
        if name not in known:
            raise ValueError(f"no {what} is called {name!r}{did_you_mean(name, known)}")
    return list(known if names is None else names)
