"""SPIN on the program of pin_truncate.py: all its states, counted by somebody else."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from daxfuzz.bench.pin_truncate import PinTruncate, Wake
from daxfuzz.engines.scratch import scratch

TOOLS = ("spin", "gcc")
DEPTH = 100_000
"""Steps of the longest execution that it can follow."""

GENERATE = ("spin", "-a", "-o1", "-o2", "-o3")
"""Without its data-flow optimization, hiding of variables that are only written, and merging of statements: each of
them takes states away."""

COMPILE = ("gcc", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
SEARCH = ("./pan", "-c0", f"-m{DEPTH}", "-w20")
"""To the end, whatever it finds. A hash table of the usual 2^24 places would take longer to set up than to search."""

FINDINGS = {"invalid end state": "lost-wakeup", "assertion violated": "dma-corruption"}
"""What SPIN says, by what the program on daxfuzz.sim calls it."""

_FIGURE = re.compile(r"^ *(\d+) (states, stored|transitions)", re.MULTILINE)
_ERROR = re.compile(rf"^pan:\d+: ({'|'.join(FINDINGS)})", re.MULTILINE)


class SpinMissing(Exception):
    """A tool that SPIN needs is not installed."""


@dataclass(frozen=True, slots=True)
class SpinRun:
    """What SPIN found.

    transitions: from a state to a state; what SPIN prints less one, since it counts how the first state comes about.
    seconds: processor time of the search, without what comes before it.
    """

    states: int
    transitions: int
    findings: frozenset[str]
    seconds: float


def spin(program: PinTruncate, optimize: str = "-O2") -> SpinRun:
    """Search all states of the Promela program.

    optimize: for the compiler. Less of it is sooner done with small programs.

    Raises SpinMissing, or RuntimeError if one of the tools fails or the search is not complete.
    """
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise SpinMissing(f"{tool} is not installed; on Debian: apt-get install {' '.join(TOOLS)}")
    model = files("daxfuzz.bench").joinpath("pin_truncate.pml").read_text()
    with scratch() as folder:
        (folder / "pin_truncate.pml").write_text(model)
        _run((*GENERATE, *_defines(program), "pin_truncate.pml"), folder)
        _run((*COMPILE, optimize), folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = _run(SEARCH, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {name: int(figure) for figure, name in _FIGURE.findall(output)}
    if "Search not completed" in output or "too small" in output or len(figures) != 2:
        raise RuntimeError(f"SPIN did not search all states:\n{output}")
    return SpinRun(
        states=figures["states, stored"],
        transitions=figures["transitions"] - 1,
        findings=frozenset(FINDINGS[said] for said in _ERROR.findall(output)),
        seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


def _defines(program: PinTruncate) -> list[str]:
    values = {
        "PINNERS": program.pinners,
        "GETS": program.gets,
        "PINS": program.pins,
        "TRUNCATORS": program.truncators,
        "BIAS": program.bias,
        "RECHECK": int(program.recheck),
        "REPAIRED": int(program.wake is Wake.THRESHOLD),
    }
    return [f"-D{name}={value}" for name, value in values.items()]


def _run(command: tuple[str, ...], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
