"""How much of the model generated programs reach: points and lines, over all kernels.

Code that no workload reaches finds no bug. So the default portfolio runs on every protocol and file system, without
triage, and what none of these runs has reached is named. What some kernel cannot run counts for the others: the
union is what matters. For the code of patches that later ones replace, and of repairs that a wider one makes
unnecessary, there are kernels of their own. Each kernel has programs of its own, so that the union has more of them.

Assertions are no lines: the statements that do nothing but report what must not be (WARN_ON_ONCE, BUG_ON). They are
counted on their own, since nothing says that a program exists that makes one fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import daxfuzz
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, execute
from daxfuzz.engines.lines import Line, LineRecorder, assertions, relative, statements
from daxfuzz.engines.points import Place, PlaceRecorder, all_places, classes_of, live_functions
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.search import Memory, Portfolio
from daxfuzz.triage.bench import Bench, KernelChoice, verdict

CHUNK = 400
"""Executions of one job; a multiple of SCHEDULES_PER_PROGRAM."""

_SEEDS = 1 << 64

BASE = "refcount-1"
"""The protocol without patches."""

_TOOLS = ("catalogue", "compose", "conflicts", "flaws", "patch", "registry", "skeleton", "user_patches")
"""Modules of daxfuzz.protocols that no execution runs."""

Function = tuple[str, str]
"""(path of its file, full name)"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What stands in one row: a protocol, with patches on top. label: its name, if that is not of these two."""

    protocol: str
    patches: tuple[str, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or "+".join((self.protocol, *self.patches))

    def on(self, filesystem: str) -> KernelChoice:
        """The kernel with a file system."""
        return KernelChoice(KernelSpec(self.protocol, self.patches, filesystem=filesystem))


@dataclass(slots=True)
class Reached:
    """What executions have reached.

    findings: how many of them failed. kinds: of the failures, with the index of the first one.
    lines: without assertions. failed: assertions that did.
    """

    executions: int = 0
    findings: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    points: frozenset[Place] = frozenset()
    lines: frozenset[Line] = frozenset()
    failed: frozenset[Line] = frozenset()

    def add(self, other: Reached) -> None:
        """Take in what other executions have reached."""
        self.executions += other.executions
        self.findings += other.findings
        for kind, index in other.kinds.items():
            self.kinds.setdefault(kind, index)
        self.points |= other.points
        self.lines |= other.lines
        self.failed |= other.failed


@dataclass(frozen=True, slots=True)
class Cell:
    """One kernel on one file system: what it can reach, and what it has."""

    kernel: Kernel
    filesystem: str
    points: frozenset[Place]
    lines: frozenset[Line]
    assertions: frozenset[Line]
    reached: Reached


@dataclass(frozen=True, slots=True)
class Missed:
    """Something that nothing has reached.

    what: "line", "point", or "assertion" for one that never failed. file: from the root of the package.
    """

    what: str
    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


@dataclass(frozen=True, slots=True)
class Union:
    """All cells together."""

    points: int
    points_reached: int
    lines: int
    lines_reached: int
    assertions: int
    assertions_failed: int
    missed: tuple[Missed, ...]

    @property
    def points_percent(self) -> float:
        return 100 * self.points_reached / max(self.points, 1)

    @property
    def lines_percent(self) -> float:
        return 100 * self.lines_reached / max(self.lines, 1)


# -- what to run -------------------------------------------------------------------------------------------------


def kernels() -> list[Kernel]:
    """Every protocol, and what else it takes to have each function of the model in some kernel, and each repair in
    one where nothing makes it unnecessary."""
    chosen = [*(Kernel(name) for name in PROTOCOLS), *narrow_kernels()]
    live = {function for kernel in chosen for function in live_of(kernel)}
    for kernel in more_kernels():
        new = live_of(kernel) - live
        if new:
            live |= new
            chosen.append(kernel)
    return chosen


def more_kernels() -> Iterator[Kernel]:
    """Kernels beside the protocols: with the first patches of one, with a single repair."""
    for known in PROTOCOLS.values():
        for count in range(1, len(known.patches)):
            yield Kernel(BASE, tuple(patch.slug() for patch in known.patches[:count]))
        yield from (Kernel(known.name, (repair.slug(),)) for repair in known.repairs)


def narrow_kernels() -> Iterator[Kernel]:
    """Protocols with all repairs but those that supersede others, as far as there is a repair in them that no kernel
    before has like that; of three in a chain, the middle one is left out of one kernel and in another."""
    seen: set[type[Repair]] = set()
    for known in PROTOCOLS.values():
        narrow = {each for repair in known.repairs for each in repair.supersedes} & set(known.repairs)
        level = 0
        while narrow - seen:
            level += 1
            wide = [repair for repair in known.repairs if set(repair.supersedes) & (narrow - seen)]
            repairs = tuple(repair.slug() for repair in known.repairs if repair not in wide)
            yield Kernel(known.name, repairs, f"{known.name}-narrow" + (f"-{level}" if level > 1 else ""))
            seen |= narrow - set(wide)


@cache
def live_of(kernel: Kernel) -> frozenset[Function]:
    """The functions of subsystems that a kernel can run, on whatever file system; none if it cannot be composed."""
    try:
        return frozenset(function for name in FILESYSTEMS for function in live_on(kernel, name))
    except ComposeError:
        return frozenset()


def live_on(kernel: Kernel, filesystem: str) -> Iterator[Function]:
    """The functions of subsystems that a kernel can run on one file system."""
    for cls in classes_of(kernel.on(filesystem).composed(), filesystem):
        for function in live_functions(cls):
            yield function.__code__.co_filename, function.__code__.co_qualname


# -- what there is -----------------------------------------------------------------------------------------------


@cache
def model_lines() -> dict[Line, str]:
    """Every line of the model, assertions included, with the name of its function."""
    return statements(model_files())


@cache
def model_assertions() -> frozenset[Line]:
    """Those of the lines that only report what must not be."""
    return assertions(model_files())


def model_files() -> list[str]:
    """The files of the kernel and of what changes it."""
    root = Path(daxfuzz.__file__).parent
    files = [*(root / "kernel").rglob("*.py"), *(root / "protocols").rglob("*.py")]
    return [str(file) for file in sorted(files) if file.stem not in _TOOLS]


@cache
def subsystem_functions() -> frozenset[Function]:
    """The functions of subsystems that some kernel can run: others are not there for every kernel."""
    return frozenset(function for kernel in kernels() for function in live_of(kernel))


def lines_of(kernel: Kernel, filesystem: str) -> frozenset[Line]:
    """The lines, assertions included, that a kernel can run on one file system: of its subsystems, and of what all
    kernels share."""
    here = frozenset(live_on(kernel, filesystem))
    known = subsystem_functions()
    return frozenset(
        line
        for line, name in model_lines().items()
        if (function := (line[0], name.partition(".<locals>")[0])) in here or function not in known
    )


# -- the runs ----------------------------------------------------------------------------------------------------


def cells(
    pool: Executor,
    wanted: Sequence[Kernel],
    filesystems: Iterable[str],
    executions: int,
    seed: int,
    on_progress: Callable[[str, int], None],
) -> Iterator[Cell]:
    """Each kernel on each file system, in order. executions: of each, rounded up to whole programs.

    A kernel begins with the execution behind the last one of the kernel before it in kernels().
    """
    rows = kernels()
    executions += -executions % SCHEDULES_PER_PROGRAM
    for kernel in wanted:
        for filesystem in filesystems:
            choice = kernel.on(filesystem)
            points = all_places(choice.composed(), filesystem)
            lines = lines_of(kernel, filesystem)
            reached = Reached()
            for part in results(pool, choice, rows.index(kernel) * executions, executions, seed):
                reached.add(part)
                on_progress(f"{kernel.name}, {filesystem}", reached.executions)
            asserted = lines & model_assertions()
            reached.points &= points
            reached.failed = reached.lines & asserted
            reached.lines &= lines - asserted
            yield Cell(kernel, filesystem, points, lines - asserted, asserted, reached)


def results(pool: Executor, choice: KernelChoice, first: int, executions: int, seed: int) -> Iterator[Reached]:
    """What each chunk has reached, in order."""
    last = first + executions
    starts = iter(range(first, last, CHUNK))
    futures: list[Future[Reached]] = []
    while True:
        futures += [
            pool.submit(run_chunk, choice, seed, start, min(CHUNK, last - start))
            for start in islice(starts, 16 - len(futures))
        ]
        if not futures:
            return
        yield futures.pop(0).result()


def run_chunk(choice: KernelChoice, seed: int, start: int, count: int) -> Reached:
    """Executions `start` to `start + count`, as ``daxfuzz fuzz`` runs them before it has found anything.

    Assertions that failed are among the lines.
    """
    reached = Reached()
    lines = LineRecorder()
    portfolio = Portfolio()
    points: dict[Place, None] = {}
    first = start // SCHEDULES_PER_PROGRAM
    for number in range(first, first - (-count // SCHEDULES_PER_PROGRAM)):
        program = generate(Random(seed * _SEEDS + number), choice.spec.filesystem)
        with lines.recording():
            bench = Bench(program, choice)
            bound = 200
            memory = Memory()
            for index in range(number * SCHEDULES_PER_PROGRAM, (number + 1) * SCHEDULES_PER_PROGRAM):
                recorder = PlaceRecorder(portfolio.make(seed, index, bound, memory)[1])
                execution = execute(bench, recorder, index)
                bound = max(len(execution.turns), 1)
                points |= recorder.places
                reached.executions += 1
                found = verdict(execution)
                if found is not None:
                    reached.findings += 1
                    reached.kinds.setdefault(found.kind, index)
    reached.points = frozenset(points)
    reached.lines = lines.lines()
    return reached


# -- what came of it ---------------------------------------------------------------------------------------------


def union(cells: Sequence[Cell]) -> Union:
    """All cells together, and what is missing."""
    points = frozenset(place for cell in cells for place in cell.points)
    lines = frozenset(line for cell in cells for line in cell.lines)
    asserted = frozenset(line for cell in cells for line in cell.assertions)
    points_left = points - frozenset(place for cell in cells for place in cell.reached.points)
    lines_left = lines - frozenset(line for cell in cells for line in cell.reached.lines)
    asserted_left = asserted - frozenset(line for cell in cells for line in cell.reached.failed)
    missed = [*missed_lines("line", lines_left), *missed_lines("assertion", asserted_left)]
    files = files_of_points()
    missed += [Missed("point", relative(files[place[0]]), place[1], place[0]) for place in points_left]
    return Union(
        len(points),
        len(points) - len(points_left),
        len(lines),
        len(lines) - len(lines_left),
        len(asserted),
        len(asserted) - len(asserted_left),
        tuple(sorted(missed, key=lambda each: (each.file, each.line, each.what))),
    )


def missed_lines(what: str, lines: Iterable[Line]) -> Iterator[Missed]:
    """Lines by name."""
    for file, line in lines:
        yield Missed(what, relative(file), line, model_lines()[file, line])


@cache
def files_of_points() -> dict[str, str]:
    """The file of each function, by its full name. Names of classes are unique in the model."""
    return {name: file for (file, _), name in model_lines().items()}
