"""The fuzz target: runs an input, shows its features to libFuzzer, and raises what it finds."""

from __future__ import annotations

from collections.abc import Callable

from daxfuzz.engines.atheris.inputs import Input, Inputs
from daxfuzz.engines.atheris.job import STRATEGY
from daxfuzz.engines.jobs import Left, RawFailure, Symptom, symptom_of
from daxfuzz.program.dax_file import dumps_case
from daxfuzz.sim import Execution, Violation
from daxfuzz.triage.bench import verdict
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.reproduce import Failure


class Finding(Exception):
    """What libFuzzer takes for a crash. First comes the signature, which begins with the kind, and what is wrong; then
    the case, as a .dax file."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        symptom = symptom_of(failure.violation)
        raw = RawFailure(0, failure.kernel, symptom, failure.program, tuple(failure.execution.turns), STRATEGY)
        super().__init__(f"{signature(symptom)}: {failure.violation.message}\n\n{dumps_case(Left(raw, None).case())}")


class Target:
    """TestOneInput.

    cover: called with the features of each execution.
    """

    def __init__(self, inputs: Inputs, cover: Callable[[tuple[int, ...]], None]) -> None:
        self.inputs = inputs
        self.cover = cover

    def __call__(self, data: bytes) -> None:
        """Run an input. Raises Finding for what has shown on both hosts, and NotReproduced if they differ."""
        given = self.inputs.decoded(data)
        execution, features = self.run(given)
        self.cover(features)
        found = verdict(execution)
        if found is not None:
            self.judge(given, execution, found)

    def run(self, given: Input) -> tuple[Execution, tuple[int, ...]]:
        """One execution of an input, and its features."""
        return self.inputs.run(given)

    def judge(self, given: Input, execution: Execution, found: Violation) -> None:
        """What is to happen with a verdict."""
        failure = Failure(given.program, self.inputs.kernel_of(given), execution, found)
        confirm(failure)
        raise Finding(failure)


def signature(symptom: Symptom) -> str:
    """A failure in one word: kind, function and wait channel."""
    return "/".join(part for part in (symptom.kind, symptom.function, symptom.channel) if part)
