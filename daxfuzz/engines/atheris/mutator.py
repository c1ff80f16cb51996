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

ROUND = 12
"""Inputs with one program in a row. A program that is new takes as long to build as several executions of it."""

FRESH = 0.75
"""How often a round begins with a program of the generator, always where the input has nothing to interleave. Such
programs fail sooner than what mutation makes of the corpus, which is there for what the generator does not think of."""

PROGRAM = 0.5
"""How often else with a change of the input's program; the rest begin with one of its schedule."""

SPLICE = 0.3
"""How often a crossover is one of programs; else one of schedules, where both inputs have the same program."""

SEARCHED = 0.6
"""How often a new schedule is drawn by a strategy of the built-in engine, and owes nothing to the one before."""

SEED_BITS = 63
"""Of what such a strategy draws it from."""


class Mutator:
    """Mutates inputs.

    inputs: decodes and runs them.
    operations: that mutations may add to programs, by name.
    mutate_bytes: libFuzzer's own mutation, of bytes to at most so many.
    close: what is made of an input resembles it. Else inputs come in rounds with one program each, and libFuzzer's
        choice is where a round may begin.
    """

    def __init__(
        self,
        inputs: Inputs,
        operations: Sequence[str],
        mutate_bytes: Callable[[bytes, int], bytes],
        close: bool = False,
    ) -> None:
        self.inputs = inputs
        self.operations = operations
        self.mutate_bytes = mutate_bytes
        self.close = close
        self._left = 0
        self._last = inputs.decoded(b"")

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Another input of at most so many bytes."""
        rng = Random(seed)
        if rng.random() < BYTES:
            return self.mutate_bytes(data, max_size)
        return self.fitting(self.next(rng, lambda: self.mutated(rng, self.inputs.decoded(data))), data, max_size)

    def cross(self, data: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        """An input of at most so many bytes from two."""
        rng = Random(seed)
        given, second = self.inputs.decoded(data), self.inputs.decoded(other)
        return self.fitting(self.next(rng, lambda: self.crossed(rng, given, second)), data, max_size)

    def next(self, rng: Random, first: Callable[[], Input]) -> Input:
        """The next input of a round, or the first one of another."""
        if self.close or not self._left or not interleaves(self._last.program):
            self._left = ROUND
            self._last = self.fresh(rng) if not self.close and rng.random() < FRESH else first()
        else:
            self._last = self.rescheduled(rng, self._last)
        self._left -= 1
        return self._last

    def mutated(self, rng: Random, given: Input) -> Input:
        """An input from one, or a new one if that has nothing to interleave."""
        interleaving = interleaves(given.program)
        if not interleaving and not self.close:
            return self.fresh(rng)
        if rng.random() < PROGRAM or not interleaving:
            return self.with_program(given, program_edits.edited(rng, given.program, self.operations))
        return self.rescheduled(rng, given)

    def crossed(self, rng: Random, given: Input, other: Input) -> Input:
        """An input from two, or from the first one that has something to interleave."""
        if not interleaves(given.program):
            return self.mutated(rng, other)
        if rng.random() < SPLICE:
            return self.with_program(given, program_edits.spliced(rng, given.program, other.program))
        if given.head == other.head:
            schedule = schedule_edits.crossed(rng, given.schedule, other.schedule, len(given.program.tasks))
            return self.inputs.with_schedule(given, schedule)
        return self.mutated(rng, given)

    def fresh(self, rng: Random) -> Input:
        """A program of the generator, with a schedule of a strategy."""
        made = self.inputs.decoded(encode(self.generated(rng), SparseSchedule()))
        return self.inputs.searched(made, rng.getrandbits(SEED_BITS))

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
