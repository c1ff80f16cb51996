"""Both hosts take the same course on random DAX programs: the digests are equal, signals included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

from daxfuzz.oracles.registry import attach
from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.program.generator import generate
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import PROTOCOLS, build
from daxfuzz.search import STRATEGIES, RoundRobin, make_scheduler
from daxfuzz.sim import Stepper, TrioHost, check_accesses
from daxfuzz.triage.bench import Bench, KernelChoice

CASES = int(os.environ.get("DAXFUZZ_DIGEST_CASES", "300"))
CHECKED = 100
LIMIT = 2_000


def cases(count: int) -> Iterator[tuple[Program, str, str, int]]:
    """Program, protocol, strategy and seed of each case."""
    for seed in range(count):
        strategy = list(STRATEGIES)[seed % len(STRATEGIES)]
        protocol = list(PROTOCOLS)[seed // len(STRATEGIES) % len(PROTOCOLS)]
        yield generate(Random(f"digest {seed}"), "ext4"), protocol, strategy, seed


def test_both_hosts_give_the_same_digest() -> None:
    signals = interrupted = ended = 0
    for program, protocol, strategy, seed in cases(CASES):
        bench = Bench(program, KernelChoice(KernelSpec(protocol)))
        stepped = bench.run(make_scheduler(strategy, Random(seed), 200))
        results = [list(each) for each in bench.sim.results]
        on_trio = bench.run_on_trio(make_scheduler(strategy, Random(seed), 200))
        assert on_trio.digest() == stepped.digest(), (seed, protocol, strategy)
        assert on_trio.turns == stepped.turns
        assert bench.sim.results == results
        signals += any(call.name == "signal" for calls in program.tasks.values() for call in calls)
        interrupted += any(result in (-512, -4) for each in results for result in each)
        ended += stepped.violation is not None
    assert signals >= CASES // 20
    assert interrupted or CASES < 300
    assert 0 < ended < CASES


def test_both_hosts_agree_in_the_checking_mode_and_no_access_is_undeclared() -> None:
    for program, protocol, strategy, seed in cases(CHECKED):
        sim = Simulation(program, build(protocol, ()).subsystems, "ext4")
        attach(sim)
        plain = Stepper(sim.world).run(make_scheduler(strategy, Random(seed), 200), LIMIT, RoundRobin())
        check_accesses(sim.world)
        digests = {
            host(sim.world).run(make_scheduler(strategy, Random(seed), 200), LIMIT, RoundRobin()).digest()
            for host in (Stepper, TrioHost)
        }
        assert digests == {plain.digest()}, (seed, protocol, strategy)
