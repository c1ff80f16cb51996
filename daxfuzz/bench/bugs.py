"""Known bugs as an experiment: how soon does each strategy find each bug again?

Each run hunts one bug with one strategy and one seed, as `daxfuzz fuzz --bug` does, and ends at the first finding of
a kind that the bug may show, or is censored at the limit. The generator knows nothing of the bug. Runs are
independent, so that processes share them out and an interrupted measurement goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from daxfuzz.bench.by_atheris import hunt_by_atheris
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, ChunkJob, ModelError, Symptom, run_chunk
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.patch import Bug
from daxfuzz.search import Portfolio
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.reproduce import replay

PORTFOLIO = "portfolio"
"""The mix that `daxfuzz fuzz` begins with: it learns nothing of its weights before the first finding."""

ATHERIS = "atheris"
"""Not a strategy but the other engine, from an empty corpus."""

UNGUIDED = "atheris-unguided"
"""The same without features, so that it keeps no inputs to go on from."""

ENGINES = {ATHERIS: True, UNGUIDED: False}
"""Of these, whether features are on."""

CHUNK = 5 * SCHEDULES_PER_PROGRAM
"""Executions between two looks at what was found."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One run to be made.

    bug: its slug, "" for a kernel without one, which must stay clean.
    kinds: that end the run; others are only noted.
    executions: its limit, in whole programs.
    """

    bug: str
    kernel: KernelChoice
    kinds: tuple[str, ...]
    strategy: str
    seed: int
    executions: int

    @property
    def key(self) -> str:
        """Tells it from all others."""
        spec = self.kernel.spec
        return "/".join((spec.protocol, spec.filesystem, self.bug, self.strategy, f"{self.seed}", f"{self.executions}"))


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one.

    executions: up to and with the one that found it, else the limit.
    seconds: of processor time until it had reproduced as Trio tasks; minimizing comes after that.
    kind: of the finding that ended it, None if it was censored.
    others: kinds of findings that did not.
    """

    executions: int
    seconds: float
    kind: str | None
    others: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, fields: Any) -> Run:
        """What dataclasses.asdict and JSON have made of one. Raises ValueError for anything else."""
        match fields:
            case {
                "executions": int() as executions,
                "seconds": float() as seconds,
                "kind": (str() | None) as kind,
                "others": [*others],
            } if all(isinstance(other, str) for other in others):
                return cls(executions, seconds, kind, tuple(others))
        raise ValueError(f"no run: {fields!r}")


# -- what to run -------------------------------------------------------------------------------------------------


def hunts(
    bugs: Iterable[type[Bug]], strategies: Sequence[str], seeds: Iterable[int], executions: int
) -> Iterator[Hunt]:
    """Every bug with every strategy and seed, where `daxfuzz fuzz --bug` looks for it. All bugs with a seed in turn, so
    that a measurement that is stopped has seen something of each."""
    limit = whole_programs(executions)
    for seed in seeds:
        for strategy in strategies:
            for bug in bugs:
                kernel = KernelChoice(replace(where(bug), bugs=(bug.slug(),)))
                yield Hunt(bug.slug(), kernel, bug.kinds, strategy, seed, limit)


def clean_hunts(bugs: Iterable[type[Bug]], seed: int, executions: int) -> Iterator[Hunt]:
    """The kernels of the bugs without them, one run each, which goes on whatever is found; none for 0 executions."""
    if not executions:
        return
    for spec in dict.fromkeys(where(bug) for bug in bugs):
        yield Hunt("", KernelChoice(spec), (), PORTFOLIO, seed, whole_programs(executions))


def where(bug: type[Bug]) -> KernelSpec:
    """The kernel that `daxfuzz fuzz --bug` takes, without the bug."""
    return KernelSpec(bug.protocols[0], filesystem=bug.filesystems[0])


def whole_programs(executions: int) -> int:
    """A limit, rounded up to the end of a program."""
    return -(-executions // SCHEDULES_PER_PROGRAM) * SCHEDULES_PER_PROGRAM


# -- one run -----------------------------------------------------------------------------------------------------


def hunt(wanted: Hunt) -> Run:
    """Make one run, in the calling process or, of atheris, one of its own.

    Raises ModelError, NotReproduced, WorkerFailed, or ComposeError.
    """
    if wanted.strategy in ENGINES:
        features = ENGINES[wanted.strategy]
        return Run(*hunt_by_atheris(wanted.kernel, wanted.kinds, wanted.seed, wanted.executions, features))
    started = time.process_time()
    seen: dict[Symptom, None] = {}
    for job in chunks(wanted):
        for raw in run_chunk(job).failures:
            if raw.symptom in seen:
                continue
            seen[raw.symptom] = None
            failure = replay(raw.program, raw.kernel, raw.turns)
            if failure is None:
                raise ModelError(f"execution {raw.index}: {raw.symptom.kind} does not replay")
            confirm(failure)
            if raw.symptom.kind in wanted.kinds:
                return Run(raw.index + 1, time.process_time() - started, raw.symptom.kind, others(seen, wanted))
    return Run(wanted.executions, time.process_time() - started, None, others(seen, wanted))


def chunks(wanted: Hunt) -> Iterator[ChunkJob]:
    """The executions of a run, as `daxfuzz fuzz` numbers them."""
    weights = Portfolio({wanted.strategy: 1.0} if wanted.strategy != PORTFOLIO else None).weights
    for start in range(0, wanted.executions, CHUNK):
        count = min(CHUNK, wanted.executions - start)
        yield ChunkJob(wanted.kernel, wanted.seed, start, count, (), weights)


def others(seen: Iterable[Symptom], wanted: Hunt) -> tuple[str, ...]:
    """Kinds that were seen and that the bug is not expected to show."""
    return tuple(dict.fromkeys(each.kind for each in seen if each.kind not in wanted.kinds))


# -- many of them ------------------------------------------------------------------------------------------------


def hunt_all(pool: Executor, wanted: Iterable[Hunt]) -> Iterator[tuple[Hunt, Run]]:
    """Make runs in the processes of a pool; each as soon as it is done. Raises as :func:`hunt`."""
    started = {pool.submit(hunt, each): each for each in wanted}
    for future in as_completed(started):
        yield started[future], future.result()
