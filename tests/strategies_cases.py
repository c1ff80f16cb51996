"""Hypothesis strategies for valid programs, schedules and cases, built apart from the byte form's decoder."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.calls import is_name
from daxfuzz.program.case import Argument, Call, Case, KernelSpec, Program, Schedule, Setup
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.signature import Holds, Kind, Parameter
from daxfuzz.sim import Constraint, Label, SparseSchedule

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def _no_keyword(name: str) -> str:
    return name if is_name(name) else f"{name}_"


def _words(first: str, rest: str) -> st.SearchStrategy[str]:
    return st.builds(str.__add__, st.sampled_from(first), st.text(rest, max_size=23)).map(_no_keyword)


NAMES = st.one_of(
    st.sampled_from(["getter", "truncator", "mapper", "file0", "t0", "mm1", "_x", "Upper_9"]),
    _words(LETTERS + LETTERS.upper() + "_", LETTERS + LETTERS.upper() + DIGITS + "_"),
)
REGISTERS = st.one_of(st.sampled_from(["r0", "r1", "r2", "page"]), _words(LETTERS, LETTERS + DIGITS + "_"))
SPECS = st.one_of(
    st.sampled_from(["pin-wait", "series-v1:7", "my_patch.py:Class", 'quo"te\\', "xfs"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20),
)
MACHINES = st.builds(
    Machine,
    bias=st.one_of(st.just(1024), st.integers(2, 2**20)),
    tlb=st.sampled_from(TlbMode),
    wait_buckets=st.integers(1, 4096),
    pmd_pages=st.sampled_from((2, 4)),
    xa_check_sched=st.one_of(st.just(4096), st.integers(1, 2**20)),
    merge_vmas=st.booleans(),
    low_memory=st.booleans(),
)


def _argument(draw: Any, parameter: Parameter, earlier: list[Argument], scope: dict[str, Any]) -> Argument:
    names = [argument for argument in earlier if argument in scope["files"]]
    size = scope["files"][names[-1]] if names else 0
    match parameter.kind:
        case Kind.FILE:
            return draw(st.sampled_from(list(scope["files"])))
        case Kind.PAGE | Kind.OFFSET:
            return draw(st.integers(0, size - 1))
        case Kind.LENGTH:
            return draw(st.integers(1, size - int(earlier[-1])))
        case Kind.SIZE:
            return draw(st.integers(0, size))
        case Kind.TASK:
            return draw(st.sampled_from(scope["tasks"]))
        case Kind.FLAG:
            return draw(st.sampled_from(parameter.choices))
        case Kind.REGISTER:
            return draw(st.sampled_from(_fitting(parameter, scope["held"])))


def _fitting(parameter: Parameter, held: dict[str, Holds]) -> list[str]:
    return [name for name, holds in held.items() if parameter.holds in (Holds.NOTHING, holds)]


@st.composite
def call_lists(draw: Any, files: dict[str, int], tasks: list[str], max_calls: int = 8) -> tuple[Call, ...]:
    held: dict[str, Holds] = {}
    scope = {"files": files, "tasks": tasks, "held": held}
    calls = []
    for _ in range(draw(st.integers(0, max_calls))):
        possible = [
            name
            for name, signature in SIGNATURES.items()
            if all(p.kind is not Kind.REGISTER or _fitting(p, held) for p in signature.parameters)
        ]
        signature = SIGNATURES[draw(st.sampled_from(possible))]
        arguments: list[Argument] = []
        for parameter in signature.parameters:
            if parameter.optional and draw(st.booleans()):
                continue
            arguments.append(_argument(draw, parameter, arguments, scope))
            if parameter.kind is Kind.REGISTER and parameter.holds is not Holds.NOTHING:
                del held[str(arguments[-1])]
        result = None
        if signature.result is not Holds.NOTHING:
            result = draw(REGISTERS)
            while result in held:
                result = f"{result[:20]}{len(held)}"
            held[result] = signature.result
        calls.append(Call(signature.name, tuple(arguments), result))
    return tuple(calls)


@st.composite
def mms(draw: Any, tasks: list[str]) -> dict[str, tuple[str, ...]]:
    names = draw(st.lists(NAMES, min_size=len(tasks), max_size=len(tasks), unique=True))
    homes: dict[str, tuple[str, ...]] = {}
    for task in draw(st.permutations(tasks)):
        home = draw(st.sampled_from(names))
        homes[home] = (*homes.get(home, ()), task)
    return homes


@st.composite
def programs(draw: Any, max_tasks: int = 8) -> Program:
    """Valid programs, with names of any kind."""
    files = draw(st.dictionaries(NAMES, st.integers(1, 8), min_size=1, max_size=4))
    tasks = draw(st.lists(NAMES, min_size=1, max_size=max_tasks, unique=True))
    homes = {f"mm{i}": (task,) for i, task in enumerate(tasks)} if draw(st.booleans()) else draw(mms(tasks))
    calls = {task: draw(call_lists(files, tasks)) for task in tasks}
    names = list(files)
    originals = {name: draw(st.sampled_from([None, *names[:index]])) for index, name in enumerate(names)}
    clones = {name: original for name, original in originals.items() if original is not None}
    align = draw(st.sampled_from(Align))
    setup = Setup(files, homes, draw(st.booleans()), draw(st.booleans()), clones, align)
    return Program(calls, setup, draw(MACHINES))


@st.composite
def sparse_schedules(draw: Any, tasks: int) -> SparseSchedule:
    turns = draw(st.sets(st.one_of(st.integers(0, 300), st.integers(0, 2**20 - 1)), max_size=12))
    return SparseSchedule(tuple((turn, draw(st.integers(0, tasks - 1))) for turn in sorted(turns)))


@st.composite
def schedules(draw: Any, tasks: list[str]) -> Schedule:
    task = st.sampled_from(tasks)
    word = st.sampled_from(["add", "dax_layout_busy_page", "_raw", "wait_var_event", "f0"])
    labels = st.builds(Label, task, word, word, st.one_of(st.just(1), st.integers(1, 100_000)))
    steps = draw(st.lists(st.tuples(task, st.integers(1, 1000)), max_size=20))
    return Schedule(tuple(steps), tuple(draw(st.lists(st.builds(Constraint, labels, labels), max_size=3))))


@st.composite
def cases(draw: Any, max_tasks: int = 8) -> Case:
    """Valid cases."""
    program = draw(programs(max_tasks))
    several = st.lists(SPECS, max_size=3).map(tuple)
    kernel = KernelSpec(draw(SPECS), draw(several), draw(several), draw(SPECS))
    return Case(program, kernel, draw(SPECS), draw(several), draw(schedules(list(program.tasks))))
