"""What passes between `daxfuzz fuzz --engine atheris` and its workers: plain data, as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from daxfuzz.engines.jobs import RawFailure, Symptom
from daxfuzz.engines.points import Place
from daxfuzz.program.bytes_form import decode
from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.bench import KernelChoice

JOB = "DAXFUZZ_JOB"
"""The environment variable that holds a worker's job."""

STRATEGY = "atheris"
"""What stands in place of a scheduler's name."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to do.

    executions: after which it reports at once; None if there is no limit.
    crashes: the directory for inputs that fail.
    features: whether libFuzzer is shown any.
    """

    kernel: KernelChoice
    executions: int | None
    crashes: str
    features: bool = True

    def dumps(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Job:
        """What dumps has made. Raises ValueError, KeyError or TypeError for anything else."""
        found = json.loads(text)
        spec = KernelSpec(**{name: _tuples(value) for name, value in found["kernel"]["spec"].items()})
        return cls(
            KernelChoice(spec, _tuples(found["kernel"]["files"])),
            found["executions"],
            found["crashes"],
            found["features"],
        )


@dataclass(frozen=True, slots=True)
class Crash:
    """An input that fails, with the kernel that it runs on by the repairs on top. execution: which one it was."""

    name: str
    execution: int
    repairs: tuple[str, ...]
    symptom: Symptom
    turns: tuple[int, ...]

    def failure(self, data: bytes, kernel: KernelChoice, index: int) -> RawFailure:
        """The failure as engines hand it on. data: the bytes of the input. index: of the execution in the run."""
        program, _ = decode(data)
        return RawFailure(index, kernel.plus(self.repairs), self.symptom, program, self.turns, STRATEGY)


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker has done since the last one, and how much since its start.

    total: executions since its start.
    seconds: of processor time since its first execution, with all that libFuzzer does.
    """

    total: int = 0
    seconds: float = 0.0
    steps: int = 0
    stuck: int = 0
    repeats: int = 0
    places: tuple[Place, ...] = ()
    crashes: tuple[Crash, ...] = ()

    def dumps(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def loads(cls, line: str) -> Report:
        """What dumps has made. Raises ValueError, KeyError or TypeError for anything else."""
        found = json.loads(line)
        crashes = tuple(_crash(each) for each in found.pop("crashes"))
        places = tuple((function, at) for function, at in found.pop("places"))
        return replace(cls(**found), places=places, crashes=crashes)


def _crash(found: dict[str, Any]) -> Crash:
    symptom = Symptom(**found.pop("symptom"))
    return Crash(symptom=symptom, **{name: _tuples(value) for name, value in found.items()})


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
