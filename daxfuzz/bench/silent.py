"""The -fixed protocols on every file system: nothing may be found there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from daxfuzz.engines.fuzz import Fuzzer, FuzzSettings, Status
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.bench import KernelChoice

OnStatus = Callable[["Silence", Status], None]


@dataclass(frozen=True, slots=True)
class Silence:
    """One kernel that is to be silent. executions: its share of all. seed: of its programs and schedules."""

    protocol: str
    filesystem: str
    executions: int
    seed: int


def spread(protocols: Sequence[str], filesystems: Sequence[str], executions: int, seed: int) -> list[Silence]:
    """Every protocol on every file system, each with the same number of executions, in whole programs.

    Each has a seed of its own, so that no two run the same programs, neither in this run nor in one of another seed.
    """
    kernels = [(protocol, filesystem) for protocol in protocols for filesystem in filesystems]
    share = -(-executions // (len(kernels) * SCHEDULES_PER_PROGRAM)) * SCHEDULES_PER_PROGRAM
    first = seed * len(kernels)
    return [Silence(*kernel, share, first + row) for row, kernel in enumerate(kernels)]


def listen(
    wanted: Sequence[Silence], processes: int, directory: Path, on_status: OnStatus
) -> Iterator[tuple[Silence, Status]]:
    """Fuzz one kernel after the other; the status of each at its end.

    directory: where cases are written, those of a kernel in a directory of its own. on_status: called while one runs.
    """
    for silence in wanted:
        yield silence, fuzz(silence, processes, directory, on_status)


def fuzz(silence: Silence, processes: int, directory: Path, on_status: OnStatus) -> Status:
    """One kernel."""
    settings = FuzzSettings(
        KernelChoice(KernelSpec(silence.protocol, filesystem=silence.filesystem)),
        silence.seed,
        seconds=None,
        executions=silence.executions,
        workers=processes,
        directory=directory / f"{silence.protocol}-{silence.filesystem}".replace(":", "-"),
    )
    return Fuzzer(settings, lambda status: on_status(silence, status)).run()
