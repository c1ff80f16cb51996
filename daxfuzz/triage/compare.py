"""One program in the same order on two kernels, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property

from daxfuzz.search import OrderReplay
from daxfuzz.sim import Constraint, Violation
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.replay import NONE, confirmed
from daxfuzz.triage.reproduce import Failure, hand_overs
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import Step


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of one kernel, of the other, or of both at the same place; `same` if they do the same."""

    one: Step | None
    other: Step | None
    same: bool

    @property
    def step(self) -> Step:
        """The one that there is, or that of the first kernel."""
        step = self.one or self.other
        assert step is not None
        return step


@dataclass(frozen=True)
class Comparison:
    """one: on the case's own kernel; other: of the same program on another.

    order: what both keep; `other.replayed.impossible` says why the other cannot, where it cannot.
    """

    one: Story
    other: Story
    order: tuple[Constraint, ...]

    @cached_property
    def pairs(self) -> list[Pair]:
        """The steps side by side, in order."""
        return list(aligned(self.one.trace.steps, self.other.trace.steps))

    @cached_property
    def divergence(self) -> int | None:
        """The first pair that is not the same; None if there is none."""
        return next((number for number, pair in enumerate(self.pairs) if not pair.same), None)


def compare(story: Story, kernel: KernelChoice) -> Comparison:
    """Run the program of a case on another kernel, in the order that its replay has on its own.

    The order is what the proof of the story says, if it has one: then both kernels run the simplest interleaving that
    keeps it. Otherwise it is each hand-over of the replay, so that the case's own kernel repeats that.

    Raises whatever composing the kernel raises.
    """
    replayed = story.replayed
    program = story.case.program
    if story.proof is not None:
        order = story.proof.constraints
        one = ordered(story, replayed.bench, order)
    else:
        found = replayed.found or Violation(NONE, "")
        order = tuple(hand_overs(Failure(program, replayed.bench.kernel, replayed.execution, found)))
        one = story
    other = ordered(replace(story, proof=None), Bench(program, kernel), order)
    return Comparison(one, other, order)


def ordered(story: Story, bench: Bench, order: Sequence[Constraint]) -> Story:
    """The story of the simplest interleaving that keeps an order, on a kernel."""
    scheduler = OrderReplay(order)
    execution = bench.run(scheduler)
    replayed = confirmed(bench, execution, "order", 1, "", scheduler.impossible)
    kernel = bench.kernel.spec
    return replace(story, case=replace(story.case, kernel=kernel), replayed=replayed)


def aligned(one: Sequence[Step], other: Sequence[Step]) -> Iterator[Pair]:
    """Pairs of steps that make the same access at the same place, and steps that have no counterpart."""
    matcher = SequenceMatcher(None, [place(step) for step in one], [place(step) for step in other], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            for mine, theirs in zip(one[start:end], other[other_start:other_end], strict=True):
                yield Pair(mine, theirs, effect(mine) == effect(theirs))
            continue
        yield from (Pair(step, None, False) for step in one[start:end])
        yield from (Pair(None, step, False) for step in other[other_start:other_end])


def place(step: Step) -> tuple[str, ...]:
    """Who does what to what. Where does not matter: a patch may do the same in a function of another name."""
    return step.task, step.call, step.access, step.object


def effect(step: Step) -> tuple[str, tuple[str, ...]]:
    """What came of it, but for who has nothing more to do then."""
    return step.value, tuple(change for change in step.changed if not change.endswith(" ends"))
