"""GUP-fast against the layout scan: the race that the re-check of the page-table entry decides (F-03).

The same workload runs on a protocol, which must stay silent, and on the protocol without the re-check, which must
not: without the second run the silence of the first would say nothing.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from daxfuzz.engines.fuzz import workers
from daxfuzz.engines.jobs import symptom_of
from daxfuzz.program.case import Call, KernelSpec, Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.search import Memory, Portfolio
from daxfuzz.triage.bench import Bench, KernelChoice, verdict

CHUNK = 2_000

MUTATION = str(Path(__file__).with_name("no_recheck.py"))
SCHEDULES_PER_PROGRAM = 50


@dataclass(frozen=True, slots=True)
class RaceResult:
    """Executions of the race on one kernel. first: index of the first failure, None if there is none."""

    kernel: str
    executions: int
    failures: int
    first: int | None
    kinds: tuple[str, ...]


def race(protocol: str, executions: int, seed: int, processes: int) -> list[RaceResult]:
    """Run the workload on a protocol and on its mutation, each for so many executions, rounded up to whole chunks."""
    results = []
    with workers(processes) as pool:
        for name, files in ((protocol, ()), (f"{protocol} without the re-check", (MUTATION,))):
            results.append(run(pool, name, KernelChoice(spec(protocol, bool(files)), files), executions, seed))
    return results


def spec(protocol: str, mutated: bool) -> KernelSpec:
    """The kernel, with or without the mutation."""
    return KernelSpec(protocol, ("no_recheck.py:NoRecheck",) if mutated else ())


def run(pool: Executor, name: str, kernel: KernelChoice, executions: int, seed: int) -> RaceResult:
    """All chunks on one kernel, merged in index order."""
    failures = 0
    first = None
    kinds: list[str] = []
    starts = range(0, executions, CHUNK)
    futures = [pool.submit(chunk, kernel, seed, start) for start in starts]
    for future in futures:
        found = future.result()
        failures += len(found)
        for index, kind in found:
            first = index if first is None else first
            if kind not in kinds:
                kinds.append(kind)
    return RaceResult(name, len(starts) * CHUNK, failures, first, tuple(kinds))


def chunk(kernel: KernelChoice, seed: int, start: int) -> list[tuple[int, str]]:
    """(index, kind) of the failures among CHUNK executions from `start` on."""
    found = []
    portfolio = Portfolio()
    for at in range(start, start + CHUNK, SCHEDULES_PER_PROGRAM):
        bench = Bench(program(Random((seed << 64) + at)), kernel)
        bound = 100
        memory = Memory()
        for index in range(at, at + SCHEDULES_PER_PROGRAM):
            _, scheduler = portfolio.make(seed, index, bound, memory)
            execution = bench.run(scheduler)
            bound = max(len(execution.turns), 1)
            violation = verdict(execution)
            if violation is not None:
                found.append((index, symptom_of(violation).kind))
    return found


def program(rng: Random) -> Program:
    """One or two fast pinners, who drop some of what they take, against a truncate or a punch."""
    tasks: dict[str, tuple[Call, ...]] = {}
    for number in range(rng.choice((1, 1, 2))):
        kind, release = rng.choice((("get_user_pages_fast", "put_page"), ("pin_user_pages_fast", "unpin_user_pages")))
        calls = [Call(kind, ("file0", 0), "r0")]
        if rng.random() < 0.5:
            calls.append(Call(release, ("r0",)))
        tasks[f"pinner{number}"] = tuple(calls)
    frees = (Call("truncate", ("file0", 0)), Call("fallocate", ("file0", "PUNCH_HOLE", 0, 1)))
    tasks["truncator"] = (rng.choice(frees),)
    return Program(tasks, Setup({"file0": 1}), draw_machine(rng))
