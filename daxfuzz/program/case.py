"""Programs and cases: what a .dax file says, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from daxfuzz.kernel.machine import Align, Machine
from daxfuzz.sim import Constraint

Argument = int | str
"""An int for pages, lengths and sizes; a name for files, registers, tasks and flags."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as a task calls it. result: the register it fills, or None."""

    name: str
    arguments: tuple[Argument, ...] = ()
    result: str | None = None

    def __str__(self) -> str:
        text = f"{self.name}({', '.join(str(argument) for argument in self.arguments)})"
        return text if self.result is None else f"{self.result} = {text}"


@dataclass(frozen=True, slots=True)
class Setup:
    """What exists before the first step.

    files: size in pages, by name.
    mms: names of the tasks that share an address space, by its name; every task is in exactly one.
    prefault: whether all files are allocated and present in the page tables that map them.
    huge: whether they are so with PMD entries, as far as these fit.
    clones: of a file, the earlier one whose blocks it shares, as after FICLONERANGE of all that both have. Ignored by a
        file system that cannot share blocks.
    align: of the devices, for which files stand where there is no file system; their sizes are rounded up to it.
        File systems ignore it.
    """

    files: Mapping[str, int] = field(default_factory=lambda: {"file0": 1})
    mms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefault: bool = True
    huge: bool = False
    clones: Mapping[str, str] = field(default_factory=dict)
    align: Align = Align.PAGE


@dataclass(frozen=True, slots=True)
class Program:
    """Set-up plus, per task, its calls. Task order is the order of their indices in schedules."""

    tasks: Mapping[str, tuple[Call, ...]]
    setup: Setup = field(default_factory=Setup)
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """Which kernel is under test: a protocol, patches on top, bugs; and the file system."""

    protocol: str = "pin-wait"
    patches: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    filesystem: str = "ext4"

    def __str__(self) -> str:
        return " + ".join((self.protocol, *self.bugs, *self.patches))


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to make it happen.

    steps: run-length turns, (task name, number of turns); exact.
    order: constraints between labelled points; survives edits of the model.
    calls: (task name, number of calls): one call begins after the other, each when all that have begun have ended or
        wait. One whose task is in the middle of a call, or has ended, is passed over.
    """

    steps: tuple[tuple[str, int], ...] = ()
    order: tuple[Constraint, ...] = ()
    calls: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Program + schedule + kernel under test, and what a replay must show.

    finding: kind of finding, or "none" if it must stay clean.
    repaired_by: patches without which it fails and with which it is clean.
    """

    program: Program
    kernel: KernelSpec = KernelSpec()
    finding: str = "none"
    repaired_by: tuple[str, ...] = ()
    schedule: Schedule = Schedule()
