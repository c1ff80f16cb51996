"""The reachability table as an experiment: is each flaw found where it is said to be?

A flaw F of a protocol P is looked for on `P` with every repair of P except those of F. It is found when a finding is
explained by a repair of F, as attribution says: of the repairs of P only those of F are left to try. Programs are
generated, none is written for a flaw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from daxfuzz.bench.reachability import FILESYSTEMS, NEVER, Cell, Generation
from daxfuzz.engines.fuzz import Found, Fuzzer, FuzzSettings, Status
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, ModelError
from daxfuzz.kernel import kernel
from daxfuzz.program.case import Case, KernelSpec
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import UnknownName, patch, protocol
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import NotReproduced

OnStatus = Callable[["Target", Status], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One cell on one file system.

    repairs: names of those that are left out and of which one has to explain the finding.
    executions: its share of the cell's budget.
    """

    cell: Cell
    kernel: KernelChoice
    repairs: tuple[str, ...]
    executions: int


class NotAvailable(Exception):
    """A cell that cannot be run; says what is missing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell.

    found: None if it was not run.
    executions: until the flaw was found, else all that were spent.
    filesystem, case, tasks, preemptions: of the finding; None without one.
    others: signatures of findings that are not explained by the flaw.
    reason: why it was not run, or what ended it early; empty else.
    failed: whether daxfuzz itself failed on it.
    """

    cell: Cell
    found: bool | None
    executions: int = 0
    filesystem: str | None = None
    case: Case | None = None
    tasks: int | None = None
    preemptions: int | None = None
    others: tuple[str, ...] = ()
    reason: str = ""
    failed: bool = False


def reachability(
    pool: Executor, cells: Iterable[Cell], executions: int, seed: int, on_status: OnStatus
) -> Iterator[Outcome]:
    """The outcome of each cell, as soon as there is one.

    executions: budget of a cell on all its file systems together. on_status: called while a cell runs.
    """
    for cell in cells:
        try:
            targets = targets_of(cell, executions)
        except NotAvailable as missing:
            yield Outcome(cell, None, reason=str(missing))
            continue
        yield search_cell(pool, cell, targets, seed, on_status)


# -- what to run -------------------------------------------------------------------------------------------------


def targets_of(cell: Cell, executions: int) -> list[Target]:
    """The kernels on which a cell is tried, each with its share of the budget. Raises NotAvailable."""
    if cell.expected == NEVER:
        raise NotAvailable("not expected: the silent runs cover it")
    left_out, applied = repairs_around(cell)
    there = [name for name in cell.condition.filesystems or FILESYSTEMS if name in kernel.FILESYSTEMS]
    if not there:
        raise NotAvailable(f"no file system {' or '.join(cell.condition.filesystems or FILESYSTEMS)} yet")
    generation = cell.generation
    patches = (*generation.patches, *applied)
    return [
        Target(cell, KernelChoice(KernelSpec(generation.protocol, patches, filesystem=filesystem)), left_out, share)
        for filesystem, share in zip(there, shares(executions, len(there)), strict=True)
    ]


def repairs_around(cell: Cell) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the repairs of the cell's flaw, and of those that its kernel has. Raises NotAvailable."""
    repairs = repairs_of(cell.generation)
    for flaw in cell.known_as():
        own = [repair for repair in repairs if repair.flaw == flaw]
        if own:
            return tuple(each.slug() for each in own), tuple(each.slug() for each in rest(repairs, own))
    raise NotAvailable(f"{cell.generation.name} has no repair of {cell.flaw} yet")


def repairs_of(generation: Generation) -> tuple[type[Repair], ...]:
    """The repairs of a generation's protocol. Raises NotAvailable if a part of it does not exist."""
    try:
        for name in generation.patches:
            patch(name)
        repairs = protocol(generation.protocol).repairs
    except UnknownName as error:
        raise NotAvailable(str(error).partition(";")[0]) from None
    return tuple(repair for repair in repairs if repair.slug() not in generation.patches)


def rest(repairs: Iterable[type[Repair]], own: list[type[Repair]]) -> list[type[Repair]]:
    """All other repairs, without those that supersede one of a flaw's own: these would close the flaw as well."""
    return [
        repair for repair in repairs if repair not in own and not any(narrow in repair.supersedes for narrow in own)
    ]


def shares(executions: int, number: int) -> list[int]:
    """A budget split over file systems: half of it for the first, the same for each other; whole programs."""
    if number == 1:
        return [executions]
    other = executions // 2 // (number - 1) // SCHEDULES_PER_PROGRAM * SCHEDULES_PER_PROGRAM
    other = max(other, SCHEDULES_PER_PROGRAM)
    return [max(executions - other * (number - 1), SCHEDULES_PER_PROGRAM), *[other] * (number - 1)]


# -- the search --------------------------------------------------------------------------------------------------


def search_cell(pool: Executor, cell: Cell, targets: Iterable[Target], seed: int, on_status: OnStatus) -> Outcome:
    """Search one kernel after the other until the flaw is found."""
    spent = 0
    others: dict[str, None] = {}
    for target in targets:
        try:
            fuzzer = fuzzer_of(target, seed, on_status)
            found = search(pool, fuzzer, target)
        except (ComposeError, ModelError, NotReproduced) as error:
            reason = f"{target.kernel.spec.filesystem}: {type(error).__name__}: {error}"
            return Outcome(cell, None, spent, others=tuple(others), reason=reason, failed=True)
        others |= dict.fromkeys(each.finding.signature for each in fuzzer.status.found if not explains(target, each))
        if found is not None:
            finding = found.finding
            return Outcome(
                cell,
                True,
                spent + found.executions_to_find,
                target.kernel.spec.filesystem,
                finding.case,
                finding.tasks,
                finding.preemptions,
                tuple(others),
            )
        spent += fuzzer.status.executions
    return Outcome(cell, False, spent, others=tuple(others))


def fuzzer_of(target: Target, seed: int, on_status: OnStatus) -> Fuzzer:
    """The default portfolio on the kernel of a target."""
    settings = FuzzSettings(target.kernel, seed, seconds=None, executions=target.executions)
    return Fuzzer(settings, lambda status: on_status(target, status))


def search(pool: Executor, fuzzer: Fuzzer, target: Target) -> Found | None:
    """Fuzz by rounds, as `daxfuzz fuzz` does, up to the one in which the flaw is found."""
    for start, count in fuzzer.rounds():
        fuzzer.run_round(pool, start, count)
        for found in fuzzer.status.found:
            if explains(target, found):
                return found
    return None


def explains(target: Target, found: Found) -> bool:
    """Whether a finding is the flaw of the target."""
    return any(name in target.repairs for name in found.finding.explained_by)
