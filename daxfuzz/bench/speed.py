"""How fast steps are, beside the least that a coroutine switch costs in Python."""

from __future__ import annotations

import random
import statistics
import time
import types
from collections.abc import Callable, Generator
from dataclasses import dataclass

from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.search import STRATEGIES, Memory, Portfolio, RandomWalk, make_scheduler
from daxfuzz.sim import Actor, Atomic, Scheduler, Stepper, TrioHost, World
from daxfuzz.triage.bench import Bench, KernelChoice

TASKS = 4
STEPS = 38
"""Per task of the tiny world: about as many as an operation of the model takes."""

BLOCK = 40
"""Executions of one design in a row: a campaign runs nothing else in between, so neither does the measurement."""

Round = Callable[[], tuple[float, int, int]]
"""Runs a block: processor seconds, steps, and executions."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians. us: microseconds of processor time.

    strategies: microseconds per step on the model under one strategy alone, by name.
    """

    floor_us_per_step: float
    stepper_us_per_step: float
    random_us_per_step: float
    model_us_per_step: float
    trio_us_per_step: float
    steps_per_execution: float
    executions_per_second: float
    strategies: dict[str, float]

    def ratio(self, strategy: str) -> float:
        """What a step costs under a strategy, in steps under the random walk."""
        return self.strategies[strategy] / self.strategies["random"]


def measure(rounds: int = 100) -> Speed:
    """Measure, with the designs interleaved so that a slow moment of the machine hits all of them."""
    designs: dict[str, Round] = {
        "floor": floor,
        "stepper": stepper(),
        "random": random_walk(),
        "model": model(),
        "trio": trio(),
        **{strategy_key(name): under(name) for name in STRATEGIES},
    }
    for design in designs.values():
        design()
    results: dict[str, list[tuple[float, int, int]]] = {name: [] for name in designs}
    for _ in range(rounds):
        for name, design in designs.items():
            results[name].append(design())
    per_step = {
        name: statistics.median(1e6 * seconds / steps for seconds, steps, _ in results[name]) for name in designs
    }
    return Speed(
        floor_us_per_step=per_step["floor"],
        stepper_us_per_step=per_step["stepper"],
        random_us_per_step=per_step["random"],
        model_us_per_step=per_step["model"],
        trio_us_per_step=per_step["trio"],
        steps_per_execution=statistics.mean(steps / executions for _, steps, executions in results["model"]),
        executions_per_second=statistics.median(executions / seconds for seconds, _, executions in results["model"]),
        strategies={name: per_step[strategy_key(name)] for name in STRATEGIES},
    )


def strategy_key(name: str) -> str:
    """Of its design."""
    return f"strategy {name}"


@types.coroutine
def _point() -> Generator[int, None, None]:
    yield 1


async def _bare() -> None:
    for _ in range(STEPS):
        await _point()


def floor() -> tuple[float, int, int]:
    """The least there is: ``send`` to each coroutine in turn and append what it yields; no choice, no world."""
    blocks = [bare_round() for _ in range(BLOCK)]
    return sum(seconds for seconds, _ in blocks), sum(steps for _, steps in blocks), BLOCK


def bare_round() -> tuple[float, int]:
    """Processor seconds and steps of one round of the floor."""
    coroutines = [_bare() for _ in range(TASKS)]
    sends = [coroutine.send for coroutine in coroutines]
    trace: list[int] = []
    record = trace.append
    start = time.process_time()
    for send in sends:
        send(None)
    for _ in range(STEPS - 1):
        for send in sends:
            record(send(None))
    seconds = time.process_time() - start
    for coroutine in coroutines:
        coroutine.close()
    return seconds, TASKS * (STEPS - 1)


def tiny_world() -> World:
    """Tasks that each add to an atomic of their own, and nothing else."""
    world = World()

    def actor(counter: Atomic) -> Actor:
        async def run() -> None:
            for _ in range(STEPS):
                await counter.add(1)

        return run

    for index in range(TASKS):
        world.spawn(f"t{index}", actor(Atomic(world, f"a{index}")))
    return world.seal()


class Precomputed(Scheduler):
    """All turns of the tiny world, each task in turn."""

    turns = tuple(range(TASKS)) * STEPS

    def script(self) -> tuple[int, ...]:
        return self.turns


def stepper() -> Round:
    """The stepper with a schedule that is known in advance."""
    host = Stepper(tiny_world())
    scheduler = Precomputed()
    return timed(lambda: len(host.run(scheduler).turns))


def random_walk() -> Round:
    """The stepper with a choice at each step."""
    host = Stepper(tiny_world())
    scheduler = RandomWalk(random.Random(1))
    return timed(lambda: len(host.run(scheduler).turns))


def trio() -> Round:
    """The reference host with the same schedule as the stepper."""
    host = TrioHost(tiny_world())
    scheduler = Precomputed()
    return timed(lambda: len(host.run(scheduler).turns))


def model() -> Round:
    """The default program on the model with all oracles, under the default portfolio."""
    bench = Bench(default_program(), KernelChoice(KernelSpec(protocol="pin-wait-fixed")))
    portfolio = Portfolio()
    index = 0

    def run() -> int:
        nonlocal index
        index += 1
        _, scheduler = portfolio.make(1, index, 200)
        return len(bench.run(scheduler).turns)

    return timed(run)


def under(name: str) -> Round:
    """The default program on the model under one strategy, in as many executions of a program as `daxfuzz fuzz` has."""
    bench = Bench(default_program(), KernelChoice(KernelSpec(protocol="pin-wait-fixed")))
    rng = random.Random()
    seed = 0

    def run() -> int:
        nonlocal seed
        memory = Memory()
        steps = 0
        bound = 200
        for _ in range(SCHEDULES_PER_PROGRAM):
            seed += 1
            rng.seed(seed)
            taken = len(bench.run(make_scheduler(name, rng, bound, memory)).turns)
            bound = max(taken, 1)
            steps += taken
        return steps

    return timed(run, 1, SCHEDULES_PER_PROGRAM)


def timed(run: Callable[[], int], repeats: int = BLOCK, executions: int = 1) -> Round:
    """Time repeats of something that makes so many executions and returns their number of steps."""

    def block() -> tuple[float, int, int]:
        start = time.process_time()
        steps = sum(run() for _ in range(repeats))
        return time.process_time() - start, steps, repeats * executions

    return block


def default_program() -> Program:
    """Somebody who pins, somebody who maps, somebody who truncates."""
    calls = {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "dma_write(r0)", "unpin_user_pages(r0)"],
        "mapper": ["load(file0, 0)", "store(file0, 0)", "fsync(file0)"],
        "truncator": ["truncate(file0, 0)", "truncate(file0, 1)"],
    }
    return Program({task: tuple(parse_call(text) for text in texts) for task, texts in calls.items()})
