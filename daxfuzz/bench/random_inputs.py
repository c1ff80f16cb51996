"""Random bytes as inputs: each decodes and runs, on whatever kernel, and nothing but oracles has anything to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from random import Random

from daxfuzz.engines.atheris.inputs import decoded
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.search import SparseReplay
from daxfuzz.triage.bench import Bench, KernelChoice, verdict

CHUNK = 100

LONGEST = 160
"""Bytes; those of generated programs are about 50."""

ZEROS = (0.0, 0.3, 0.6, 0.9)
"""Shares of bytes that are made 0."""

_SEEDS = 1 << 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """Inputs `start` to `start + count`; input i is the same in every run with this seed."""

    seed: int
    start: int
    count: int


@dataclass(slots=True)
class Results:
    """What came of some inputs.

    findings: how many end with a finding. repaired: those of them on kernels with every known flaw repaired, each as
    kind, kernel and input in hex.
    errors: what else was raised, in the same form.
    """

    inputs: int = 0
    steps: int = 0
    findings: int = 0
    repaired: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, other: Results) -> None:
        """Take in those of other inputs."""
        self.inputs += other.inputs
        self.steps += other.steps
        self.findings += other.findings
        self.repaired += other.repaired
        self.errors += other.errors


def kernels() -> list[KernelChoice]:
    """Every protocol on every file system."""
    return [KernelChoice(KernelSpec(protocol, filesystem=name)) for protocol in PROTOCOLS for name in FILESYSTEMS]


def chunks(seed: int, inputs: int) -> Iterator[Chunk]:
    """All inputs of a run, in parts."""
    for start in range(0, inputs, CHUNK):
        yield Chunk(seed, start, min(CHUNK, inputs - start))


def run_inputs(chunk: Chunk) -> Results:
    """Decode and run some inputs, on one kernel after the other."""
    results = Results()
    under_test = kernels()
    for index in range(chunk.start, chunk.start + chunk.count):
        rng = Random(chunk.seed * _SEEDS + index)
        run_input(drawn(rng), under_test[index % len(under_test)], results)
    return results


def drawn(rng: Random) -> bytes:
    """Random bytes, of some more or fewer 0, which is the simplest choice everywhere."""
    share = rng.choice(ZEROS)
    return bytes([0 if rng.random() < share else byte for byte in rng.randbytes(rng.randint(0, LONGEST))])


def run_input(data: bytes, kernel: KernelChoice, results: Results) -> None:
    """Decode and run one input, and note what comes of it."""
    spec = kernel.spec
    where = f"{spec.protocol} on {spec.filesystem}: {data.hex()}"
    try:
        given = decoded(data)
        execution = Bench(given.program, kernel).run(SparseReplay(given.schedule))
    except Exception as error:
        results.errors.append(f"{type(error).__name__}: {error}: {where}")
        return
    results.inputs += 1
    results.steps += len(execution.turns)
    found = verdict(execution)
    if found is not None:
        results.findings += 1
        if spec.protocol.endswith("-fixed"):
            results.repaired.append(f"{found.kind}: {where}")


def run_all(pool: Executor, wanted: Iterable[Chunk]) -> Iterator[Results]:
    """Run all inputs in the processes of a pool; each part as soon as it is done."""
    for future in as_completed([pool.submit(run_inputs, each) for each in wanted]):
        yield future.result()
