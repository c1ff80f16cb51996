"""Whether a merge of many inputs keeps all that they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from daxfuzz.bench.random_inputs import Chunk, chunks, drawn
from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.atheris.mutator import Mutator
from daxfuzz.engines.corpus.merge import merge, shown_by, together
from daxfuzz.engines.scratch import scratch
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.triage.bench import KernelChoice

KERNEL = KernelChoice(KernelSpec("pin-wait-fixed"))
"""That of `daxfuzz corpus merge`, unless it is told another one."""

RANDOM = 0.25
"""Share of inputs that are random bytes; the others are mutations of those before them, as the atheris engine makes
them."""

LONGEST = 4_096
"""Bytes of a mutated input."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A merge and what it has kept, run again.

    inputs, kept: how many. before, after: how many features each of the two shows.
    missing: features that are not shown any more.
    """

    inputs: int
    before: int
    kept: int
    after: int
    missing: tuple[int, ...]


def measure(pool: Executor, seed: int, inputs: int, told: Callable[[str, int], None]) -> Loss:
    """Merge so many inputs, and run those that are kept once more. told: hears what has been done with how many."""
    with scratch() as directory:
        every, small = directory / "every", directory / "small"
        every.mkdir()
        paths: list[Path] = []
        for part in made_by(pool, seed, inputs):
            for data in part:
                paths.append(every / f"{len(paths):07}")
                paths[-1].write_bytes(data)
            told("made", len(paths))
        merged = merge(pool, small, (), paths, KERNEL, told=lambda done: told("run", done))
        again = [each for part in shown_by(pool, sorted(small.iterdir()), KERNEL) for each in part]
    after = together(again)
    return Loss(len(paths), len(merged.before), len(again), len(after), tuple(sorted(merged.before - after)))


def made_by(pool: Executor, seed: int, inputs: int) -> Iterator[list[bytes]]:
    """Inputs, part by part; the same ones for each seed."""
    for future in [pool.submit(made, chunk) for chunk in chunks(seed, inputs)]:
        yield future.result()


def made(chunk: Chunk) -> list[bytes]:
    """The inputs of one part."""
    rng = Random(f"{chunk.seed} {chunk.start}")
    mutator = Mutator(Inputs(KERNEL), tuple(SIGNATURES), lambda data, size: drawn(rng)[:size])
    found = [b""]
    while len(found) <= chunk.count:
        if rng.random() < RANDOM:
            found.append(drawn(rng))
        else:
            found.append(mutator.mutate(rng.choice(found), LONGEST, rng.getrandbits(32)))
    return found[1:]
