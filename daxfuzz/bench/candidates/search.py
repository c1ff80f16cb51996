"""Tries candidates for a repair, and ranks those under which a finding does not show any more."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

import daxfuzz
from daxfuzz import sim
from daxfuzz.bench.audit.mutants import Live, fingerprint, live_of, source_of, with_functions
from daxfuzz.bench.audit.operators.change import Change
from daxfuzz.bench.audit.source import Edit
from daxfuzz.bench.candidates.operators import OPERATORS, SIM
from daxfuzz.program.case import Case
from daxfuzz.protocols.compose import ComposedKernel, ComposeError
from daxfuzz.search import Bounds, Decorator, Reduction, Replay
from daxfuzz.sim import Scheduler, Stepper
from daxfuzz.triage.attribute import all_but
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.replay import turns_of
from daxfuzz.triage.reproduce import QUICK, SLIGHT, Failure, Goal, hints_of, patience, search
from daxfuzz.triage.verify import search_for

SPIN = 2_000
"""Turns after which an execution under a candidate is taken for endless."""


@dataclass(frozen=True, slots=True)
class ChangedChoice(KernelChoice):
    """A kernel under test with one function changed."""

    kernel: ComposedKernel | None = None

    def composed(self) -> ComposedKernel:
        assert self.kernel is not None
        return self.kernel


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change of one function. operator: its name. file, line, text: of what is changed."""

    operator: str
    live: Live
    file: str
    line: int
    text: str
    change: Change

    @property
    def function(self) -> str:
        return self.live.function.__name__

    @property
    def diff(self) -> tuple[str, ...]:
        """The lines that it adds and removes, with + and - before them, as Python writes them."""
        edit = Edit(source_of(self.live.function))
        before = fingerprint(edit.tree).splitlines()
        self.change.apply(edit)
        after = fingerprint(edit.tree).replace(f"{SIM}.", "").splitlines()
        lines = unified_diff(before, after, n=0, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        return tuple(f"{line[0]} {line[1:].strip()}" for line in changed)

    def code(self) -> types.FunctionType:
        """The changed function."""
        edit = Edit(source_of(self.live.function))
        self.change.apply(edit)
        changed = edit.function()
        changed.__globals__[SIM] = sim
        return changed


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate under which the case does not fail.

    exhausted: whether all interleavings of the case were searched; states: how many there are.
    broken: cases of the corpus that show something with it and nothing without it.
    mended: cases of the corpus that show something without it and nothing with it.
    """

    candidate: Candidate
    exhausted: bool
    states: int
    broken: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        """What is to be looked at first: what breaks nothing, is exhausted, and mends most."""
        order = list(OPERATORS).index(self.candidate.operator)
        return len(self.broken), not self.exhausted, -len(self.mended), order


@dataclass(slots=True)
class Candidates:
    """tried: how many candidates were; corpus: how many cases each of those that pass was tried on."""

    tried: int = 0
    total: int = 0
    corpus: int = 0
    passing: list[Tried] = field(default_factory=list)

    def ranked(self) -> list[Tried]:
        """Those that pass, the most promising first."""
        return sorted(self.passing, key=lambda each: each.rank)


class NoFailure(Exception):
    """The case does not fail where all other known flaws are repaired."""


def candidates_for(
    case: Case,
    kernel: KernelChoice,
    corpus: dict[str, Case],
    bounds: Bounds,
    into: Candidates,
    told: Callable[[str], None],
) -> None:
    """Try all candidates for a case on a kernel; `into` has what was found, also if this is interrupted.

    The kernel has the repairs of all flaws but those that explain the case. corpus: cases by name; those of the same
    protocol count. bounds: of the exhaustive search of the case under one candidate.

    Raises NoFailure, and whatever composing the kernel raises.
    """
    alone = isolated(case, kernel)
    failure = failing(case, alone)
    known = {found.violation.kind for found in search_for(case.program, alone, bounds, Reduction.SLEEP, False).findings}
    cases = {name: each for name, each in corpus.items() if same_protocol(each, case)}
    into.corpus = len(cases)
    before: dict[str, bool] = {}
    found = list(candidates_in(failure))
    into.total = len(found)
    for candidate in found:
        into.tried += 1
        told(f"{into.tried:,} of {into.total:,} candidates, {len(into.passing)} pass: {candidate.function}")
        try:
            changed = changed_kernel(alone, candidate)
            tried = passes(failure, changed, candidate, known, bounds)
        except Exception:
            continue
        if tried is None:
            continue
        for name in cases:
            if name not in before:
                before[name] = shows(cases[name], alone)
        after = {name: shows(each, changed) for name, each in cases.items()}
        broken = tuple(name for name in cases if after[name] and not before[name])
        mended = tuple(name for name in cases if before[name] and not after[name])
        into.passing.append(Tried(candidate, tried.exhausted, tried.states, broken, mended))


def isolated(case: Case, kernel: KernelChoice) -> KernelChoice:
    """The kernel with the repairs of all other flaws."""
    repairs = {name: each for name, each in kernel.repairs().items() if name not in kernel.spec.bugs}
    own = tuple(name for name in case.repaired_by if name in repairs)
    try:
        alone = kernel.plus(all_but(own, repairs))
        alone.composed()
    except ComposeError:
        return kernel
    return alone


def failing(case: Case, kernel: KernelChoice) -> Failure:
    """The failure of a case on a kernel. Raises NoFailure."""
    hints: list[Scheduler] = [Replay(turns_of(case))] if case.schedule.steps else []
    found = search(case.program, kernel, Goal(case.finding), QUICK, hints)
    if found is None:
        raise NoFailure(f"{case.finding} does not show where all other known flaws are repaired")
    return found


def same_protocol(one: Case, other: Case) -> bool:
    """Whether two cases are of one protocol, repaired or not, and of one file system."""
    names = [each.kernel.protocol.removesuffix("-fixed") for each in (one, other)]
    return names[0] == names[1] and one.kernel.filesystem == other.kernel.filesystem


def shows(case: Case, kernel: KernelChoice) -> bool:
    """Whether a case of the corpus shows anything on a kernel, as far as a slight search tells."""
    hints: list[Scheduler] = [Replay(turns_of(case))] if case.schedule.steps else []
    return search(case.program, kernel, Goal(), SLIGHT, hints, SPIN) is not None


def passes(
    failure: Failure, changed: KernelChoice, candidate: Candidate, known: set[str], bounds: Bounds
) -> Tried | None:
    """Whether the program of a failure shows nothing new under a candidate, and not what it shows without; None if it
    does."""
    kind = failure.violation.kind
    bench = Bench(failure.program, changed)
    for hint in hints_of(failure):
        found = verdict(bench.run(hint, patience(failure)))
        if found is not None and (found.kind == kind or found.kind not in known):
            return None
    if search(failure.program, changed, Goal(kind), QUICK, (), patience(failure)) is not None:
        return None
    result = search_for(failure.program, changed, bounds, Reduction.SLEEP, False)
    kinds = {found.violation.kind for found in result.findings}
    if kind in kinds or kinds - known:
        return None
    return Tried(candidate, result.exhausted and not result.spins, result.states)


def changed_kernel(kernel: KernelChoice, candidate: Candidate) -> ChangedChoice:
    """A kernel with a candidate."""
    composed = with_functions(kernel.composed(), [(candidate.live, candidate.code())])
    return ChangedChoice(kernel.spec, kernel.files, composed)


# -- which there are -------------------------------------------------------------------------------------------------


def candidates_in(failure: Failure) -> Iterator[Candidate]:
    """Changes of the functions that run in a failure, those that run last first."""
    lives = {each.function.__code__: each for each in live_of(failure.kernel.composed())}
    for code in reversed(list(codes_of(failure))):
        live = lives.get(code)
        if live is not None:
            yield from candidates_of(live)


def candidates_of(live: Live) -> Iterator[Candidate]:
    """Changes of one function, without those that change nothing or that another operator makes, too."""
    source = source_of(live.function)
    seen = {fingerprint(Edit(source).tree)}
    for name, operator in OPERATORS.items():
        for change in operator.changes(source):
            edit = Edit(source)
            change.apply(edit)
            text = fingerprint(edit.tree)
            if text not in seen:
                seen.add(text)
                file = str(Path(source.file).relative_to(Path(daxfuzz.__file__).parents[1]))
                yield Candidate(name, live, file, change.at.lineno, source.text[change.at.lineno], change)


def codes_of(failure: Failure) -> dict[types.CodeType, None]:
    """The functions that a failing execution is in, in the order in which each was for the last time."""
    bench = Bench(failure.program, failure.kernel)
    watcher = _Watcher(Replay(failure.execution.turns))
    Stepper(bench.sim.world).run(watcher, limit=len(failure.execution.turns))
    return watcher.codes


class _Watcher(Decorator):
    """Notes the frames of the task that takes each turn."""

    def __init__(self, inner: Scheduler) -> None:
        super().__init__(inner)
        self.codes: dict[types.CodeType, None] = {}

    def new_execution(self, world: sim.World) -> None:
        self._tasks = world.tasks
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        chosen = super().next_task(enabled, current)
        for code in self._tasks[chosen].frames():
            self.codes.pop(code, None)
            self.codes[code] = None
        return chosen
