"""Failures that nobody has minimized yet: on disk as soon as a slice has brought them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from daxfuzz.engines.jobs import Left, RawFailure, Symptom
from daxfuzz.program.dax_file import dumps_case, loads_case
from daxfuzz.program.errors import InputError
from daxfuzz.program.whole_file import save_text
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import turns_of


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a slice. raw: as the worker has found it.

    kernel, engine: of the slice. executions, of_way: as for a finding.
    """

    raw: RawFailure
    kernel: str
    engine: str
    executions: int
    of_way: int

    def case(self) -> str:
        """The text of its case, as it was found."""
        return dumps_case(Left(self.raw, None).case())

    @property
    def hash(self) -> str:
        """What it is addressed by."""
        return sha256(self.case().encode()).hexdigest()


class Pending:
    """Failures below a directory, one file each. waiting: by hash, those that came first first."""

    def __init__(self, directory: Path, kernels: Mapping[str, KernelChoice]) -> None:
        self.directory = directory
        self.waiting: dict[str, Failure] = {}
        if not directory.is_dir():
            return
        stored: list[Failure] = []
        for path in sorted(directory.glob("*.json")):
            failure = self._read(path, kernels)
            if failure is not None:
                stored.append(failure)
        for each in sorted(stored, key=lambda each: each.executions):
            self.waiting[each.hash] = each

    @staticmethod
    def _read(path: Path, kernels: Mapping[str, KernelChoice]) -> Failure | None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            case = loads_case(values["case"], str(path))
            kernel = values["kernel"]
            if kernel not in kernels:
                # Not part of the campaign at present.
                return None
            raw = RawFailure(
                values["index"],
                KernelChoice(case.kernel, kernels[kernel].files),
                Symptom(**values["symptom"]),
                case.program,
                turns_of(case),
                values["strategy"],
            )
            return Failure(raw, kernel, values["engine"], values["executions"], values["of_way"])
        except (ValueError, TypeError, KeyError, InputError):
            return None

    def add(self, failure: Failure) -> None:
        """Keep a failure, which is on disk when this returns. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        save_text(self._path(failure), json.dumps(written(failure), indent=2) + "\n")
        self.waiting[failure.hash] = failure

    def remove(self, failure: Failure) -> None:
        """Forget a failure that has become a finding, or is one that is known."""
        self._path(failure).unlink(missing_ok=True)
        self.waiting.pop(failure.hash, None)

    def put_aside(self, failure: Failure, why: str) -> None:
        """Keep a failure that cannot be dealt with, with the reason, where nobody looks for it. Raises OSError."""
        aside = self.directory / "failed"
        aside.mkdir(parents=True, exist_ok=True)
        save_text(aside / self._path(failure).name, json.dumps({**written(failure), "why": why}, indent=2) + "\n")
        self.remove(failure)

    def _path(self, failure: Failure) -> Path:
        return self.directory / f"{failure.hash}.json"


def written(failure: Failure) -> dict[str, Any]:
    """A failure as JSON."""
    raw = failure.raw
    return {
        "kernel": failure.kernel,
        "engine": failure.engine,
        "strategy": raw.strategy,
        "symptom": asdict(raw.symptom),
        "index": raw.index,
        "executions": failure.executions,
        "of_way": failure.of_way,
        "case": failure.case(),
    }
