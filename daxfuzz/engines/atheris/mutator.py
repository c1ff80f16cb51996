"""What libFuzzer calls to make inputs from inputs: mutation and crossover of what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from daxfuzz.engines.atheris import program_edits, schedule_edits
from daxfuzz.engines.atheris.inputs import Input, Inputs
from daxfuzz.program.bytes_form import canonical, encode
from daxfuzz.program.case import Program
from daxfuzz.program.generator import generate
from daxfuzz.sim import SparseSchedule

BYTES = 0.02
"""How often libFuzzer's own mutation is asked."""

FRESH = 0.12
"""How often a program of the generator takes the place of the input's, always where that has nothing to interleave."""

PROGRAM = 0.1
"""How often the program is changed; else the schedule. A program that is new takes longer to run."""

SEARCHED = 0.6
"""How often a new schedule is drawn by a strategy of the built-in engine, and owes nothing to the one before."""

SEED_BITS = 63
"""Of what such a strategy draws it from."""

SPLICE = 0.1
"""How often a crossover is one of programs; else one of schedules."""


class Mutator:
    """Mutates inputs.

    inputs: decodes and runs them.
    operations: that mutations may add to programs, by name.
    mutate_bytes: libFuzzer's own mutation, of bytes to at most so many.
    """

    def __init__(self, inputs: Inputs, operations: Sequence[str], mutate_bytes: Callable[[bytes, int], bytes]) -> None:
        self.inputs = inputs
        self.operations = operations
        self.mutate_bytes = mutate_bytes

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Another input of at most so many bytes."""
        rng = Random(seed)
        if rng.random() < BYTES:
            return self.mutate_bytes(data, max_size)
        given = self.inputs.decoded(data)
        choice = rng.random()
        if choice < FRESH or not interleaves(given.program):
            made = self.with_program(given, self.generated(rng))
        elif choice < FRESH + PROGRAM:
            made = self.with_program(given, program_edits.edited(rng, given.program, self.operations))
        else:
            made = self.rescheduled(rng, given)
        return self.fitting(made, data, max_size)

    def cross(self, data: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        """An input of at most so many bytes from two."""
        rng = Random(seed)
        given, second = self.inputs.decoded(data), self.inputs.decoded(other)
        if not interleaves(given.program):
            given, second = second, given
        if not interleaves(given.program):
            made = self.with_program(given, self.generated(rng))
        elif rng.random() < SPLICE:
            made = self.with_program(given, program_edits.spliced(rng, given.program, second.program))
        elif given.head == second.head:
            schedule = schedule_edits.crossed(rng, given.schedule, second.schedule, len(given.program.tasks))
            made = self.inputs.with_schedule(given, schedule)
        else:
            made = self.rescheduled(rng, given)
        return self.fitting(made, data, max_size)

    def rescheduled(self, rng: Random, given: Input) -> Input:
        """The program with another schedule."""
        if rng.random() < SEARCHED:
            return self.inputs.searched(given, rng.getrandbits(SEED_BITS))
        execution = self.inputs.execution(given)
        schedule = schedule_edits.edited(rng, given.schedule, execution, len(given.program.tasks))
        return self.inputs.with_schedule(given, schedule)

    def with_program(self, given: Input, program: Program) -> Input:
        """Another program with the same schedule, as far as it has the tasks."""
        tasks = len(program.tasks)
        switches = tuple(switch for switch in given.schedule.switches if switch[1] < tasks)
        return self.inputs.decoded(encode(program, SparseSchedule(switches)))

    def generated(self, rng: Random) -> Program:
        """A program of the generator."""
        return canonical(generate(rng, self.inputs.kernel.spec.filesystem))

    def fitting(self, made: Input, data: bytes, max_size: int) -> bytes:
        """What was made, or what libFuzzer makes if that is too long."""
        return made.data if len(made.data) <= max_size else self.mutate_bytes(data, max_size)


def interleaves(program: Program) -> bool:
    """Whether several tasks of a program do something."""
    return sum(map(bool, program.tasks.values())) > 1
