"""Sequences: programs whose calls begin one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from daxfuzz.program.case import Case, Program
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.dax_file.limits import PMD_SIZES
from daxfuzz.program.errors import InputError
from daxfuzz.program.processes import takes

FILESYSTEMS = ("ext4", "xfs")
"""What each sequence runs on."""

SPARE_BLOCKS = 8
"""Of the model: a real device has room, and what happens when it is full is not compared."""


Group = tuple[int, ...]
"""Tasks whose next calls begin together."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A program, and the indices of its tasks in the order in which their calls begin."""

    name: str
    program: Program
    turns: tuple[int, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Each turn on its own."""
        return tuple((turn,) for turn in self.turns)


def sequence(name: str, case: Case) -> Sequence:
    """The sequence that a case has in its schedule: `calls`, or its tasks one after the other."""
    names = list(case.program.tasks)
    runs = case.schedule.calls or tuple((task, len(calls)) for task, calls in case.program.tasks.items())
    turns = tuple(names.index(task) for task, count in runs for _ in range(count))
    machine = replace(case.program.machine, spare_blocks=SPARE_BLOCKS)
    if not case.program.setup.huge:
        # No PMD fits the mappings in the emulated machine then.
        machine = replace(machine, pmd_pages=max(PMD_SIZES))
    return Sequence(name, replace(case.program, machine=machine), turns)


def load(directory: Path) -> list[Sequence]:
    """All sequences of a directory, by name. Raises InputError."""
    paths = sorted(directory.glob("*.dax"))
    if not paths:
        raise InputError(str(directory), None, "", "holds no .dax file")
    return [sequence(path.stem, load_case(path)) for path in paths]


def registers(program: Program) -> dict[tuple[int, str], int]:
    """A number for each register of each task, by the task's index and the register's name."""
    named = [
        (index, call.result)
        for index, calls in enumerate(program.tasks.values())
        for call in calls
        if call.result is not None and takes(call)
    ]
    return {register: number for number, register in enumerate(dict.fromkeys(named))}
