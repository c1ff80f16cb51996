from __future__ import annotations

from random import Random

import pytest
from conform_kit import WAITING, sequence_of

from daxfuzz.conform import fuzz, model
from daxfuzz.conform.generator import WEIGHTS, case_of, generate
from daxfuzz.conform.outcome import Outcome
from daxfuzz.conform.profiles import PROFILES
from daxfuzz.conform.sequence import Sequence, sequence
from daxfuzz.conform.shrink import shrink, without
from daxfuzz.program.dax_file import dumps_case, loads_case

COUNT = 300


class OtherProfile:
    """Stands for a real kernel: the model with the profile of another one."""

    def __init__(self, version: str) -> None:
        self.profile = PROFILES[version]
        self.run_count = 0

    def close(self) -> None:
        """Nothing is running."""

    def run(self, sequence: Sequence, filesystem: str) -> Outcome:
        self.run_count += 1
        return model.run(sequence, self.profile.composed().subsystems, filesystem)


def run_fuzz(version: str, other: str, count: int) -> fuzz.Fuzzed:
    machine = OtherProfile(other)
    return fuzz.fuzz(PROFILES[version], machine, 1, lambda done: done.run < count, lambda found: None)  # type: ignore[arg-type]


def test_generated_sequences_are_the_same_for_a_seed_and_reach_every_operation() -> None:
    made = [generate(Random(seed), "it") for seed in range(COUNT)]
    assert made[:20] == [generate(Random(seed), "it") for seed in range(20)]
    called = {call.name for each in made for calls in each.program.tasks.values() for call in calls}
    assert called >= {*WEIGHTS, "fork"}
    assert any(each.program.setup.huge for each in made)


def test_a_generated_sequence_is_an_ordinary_case() -> None:
    for seed in range(50):
        made = generate(Random(seed), "it")
        assert sequence("it", loads_case(dumps_case(case_of(made)))) == made


def test_a_kernel_that_does_what_the_model_does_shows_nothing() -> None:
    done = run_fuzz("6.1", "6.1", 30)
    assert (done.run, done.disagreements) == (30, [])


def test_a_disagreement_becomes_a_small_sequence_and_is_reported_once() -> None:
    done = run_fuzz("6.1", "6.12", 200)
    kinds = [fuzz.kind(each.lines) for each in done.disagreements]
    assert kinds
    assert len(set(kinds)) == len(kinds)
    for each in done.disagreements:
        assert each.repeated
        assert len(each.sequence.turns) <= 3
        assert any(call.name == "direct_read" for calls in each.sequence.program.tasks.values() for call in calls)


def test_a_disagreement_that_does_not_come_again_is_reported_as_it_was() -> None:
    class Flaky(OtherProfile):
        def run(self, sequence: Sequence, filesystem: str) -> Outcome:
            outcome = super().run(sequence, filesystem)
            return (*outcome, {"odd": "one"}) if self.run_count == 3 else outcome

    done = fuzz.fuzz(
        PROFILES["6.1"],
        Flaky("6.1"),  # type: ignore[arg-type]
        1,
        lambda done: done.run < 5,
        lambda found: None,
    )
    (found,) = done.disagreements
    assert not found.repeated
    assert found.lines[0].endswith("odd: model nothing, kernel one")


def test_a_shrunk_sequence_cannot_lose_another_call() -> None:
    big = sequence_of(
        WAITING.replace('"pipe_read()"', '"pipe_read()", "load(file0, 0)"').replace('r pinner"', 'r pinner*2"')
    )

    def has_waiter(candidate: Sequence) -> bool:
        outcome = model.run(candidate, PROFILES["6.1"].composed().subsystems, "ext4")
        return any("blocked S" in facts.values() for facts in outcome)

    small = shrink(big, has_waiter, 40)
    assert {name: [call.name for call in calls] for name, calls in small.program.tasks.items()} == {
        "pinner": ["vmsplice"],
        "truncator": ["truncate"],
    }
    assert small.turns == (0, 1)


@pytest.mark.parametrize(
    ("text", "position", "left"),
    [
        (WAITING, 0, {"pinner": 1, "truncator": 1}),
        (WAITING, 1, {"pinner": 2}),
        (
            WAITING.replace('"truncate(file0, 0)"', '"signal(pinner)"').replace('"pipe_read()"', '"fsync(file0)"'),
            1,
            {"pinner": 2},
        ),
    ],
)
def test_a_call_is_taken_out_with_its_turn_and_a_task_without_calls_with_it(text, position, left) -> None:
    found = without(sequence_of(text), position)
    assert found is not None
    assert {name: len(calls) for name, calls in found.program.tasks.items()} == left
    assert len(found.turns) == 2


def test_a_task_that_somebody_signals_stays() -> None:
    text = WAITING.replace('"truncate(file0, 0)"', '"signal(pinner)"').replace(', "pipe_read()"', "")
    assert without(sequence_of(text.replace("truncator pinner", "truncator")), 0) is None
