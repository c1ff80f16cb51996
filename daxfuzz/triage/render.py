"""An interleaving as a table: a row per step, a column per task, and the shared state that each step changed."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daxfuzz.kernel.block import Block, BlockAllocator
from daxfuzz.kernel.fdtable import FdTable
from daxfuzz.kernel.journal import Journal
from daxfuzz.kernel.tlb import Tlb
from daxfuzz.kernel.xarray import Mark, XArray
from daxfuzz.program.user_space import UserSpace
from daxfuzz.search import Decorator, Replay
from daxfuzz.sim import (
    Atomic,
    Completion,
    Execution,
    Interrupts,
    Mutex,
    PercpuRef,
    PercpuRwSemaphore,
    Point,
    Rcu,
    RwSemaphore,
    Shared,
    Signals,
    WaitQueueHead,
)
from daxfuzz.sim.trace import function_of

if TYPE_CHECKING:
    from daxfuzz.sim import Scheduler, Task, World
    from daxfuzz.triage.bench import Bench

TEXT_WIDTH = 120
"""Columns of a table in a message."""

SHOWN = 400
"""Rows of a table; of longer executions the middle is left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One step.

    turn: its number, from 0.
    call: the operation that it belongs to, as written in the program.
    function: of the kernel under test, by the name that the kernel has for it.
    access: the verb of its access; object: what is accessed; value: what the access returned, empty if nothing.
    changed: the shared state and the tasks that changed, in words.
    """

    turn: int
    task: str
    call: str
    function: str
    access: str
    object: str
    value: str
    changed: tuple[str, ...]


def rows(bench: Bench, execution: Execution) -> list[Row]:
    """The steps of an execution, which is run again for them."""
    watcher = _Watcher(Replay(execution.turns), bench)
    bench.stepper.run(watcher, limit=len(execution.turns))
    watcher.finish_row()
    return watcher.rows


class _Moment(NamedTuple):
    """What there is to compare before and after a step."""

    states: tuple[Hashable, ...]
    asleep: tuple[bool, ...]
    blocked: tuple[bool, ...]
    ended: tuple[int, ...]


class _Watcher(Decorator):
    """Notes who is about to do what before each turn, and after it what has changed."""

    def __init__(self, inner: Scheduler, bench: Bench) -> None:
        super().__init__(inner)
        self.rows: list[Row] = []
        self._program = bench.program
        self._names = _Names(bench)
        self._renames = bench.kernel.composed().renames
        self._begun: tuple[Task, str, str, Point, _Moment] | None = None

    def new_execution(self, world: World) -> None:
        self._world = world
        self._called: dict[str, int] = {}
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        self.finish_row()
        chosen = super().next_task(enabled, current)
        task = self._world.tasks[chosen]
        assert task.point is not None
        calls = self._program.tasks[task.name]
        position = task.operation
        if isinstance(task.point.object, UserSpace):
            position = self._called[task.name] = self._called.get(task.name, -1) + 1
        call = str(calls[position]) if 0 <= position < len(calls) else ""
        function = shown_function(function_of(task.frames()), self._renames)
        self._begun = (task, call, function, task.point, _moment(self._world))
        return chosen

    def finish_row(self) -> None:
        """Complete the row of the step that was begun last, if there is one."""
        if self._begun is None:
            return
        task, call, function, point, before = self._begun
        self._begun = None
        log = self._world.log
        value = "" if not log or isinstance(log[-1], Point) else shown_value(log[-1])
        name = self._names.of(point.object)
        changes = self._changes(before, _moment(self._world))
        # What happens to the object of the step comes before what follows from it.
        changed = tuple(sorted(changes, key=lambda change: not change.startswith(f"{name} ")))
        self.rows.append(Row(len(self.rows), task.name, call, function, point.verb, name, value, changed))

    def _changes(self, before: _Moment, after: _Moment) -> Iterator[str]:
        for obj, old, new in zip(self._world.objects, before.states, after.states, strict=True):
            if old != new:
                yield from changes(obj, old, new, self._names)
        for task in self._world.tasks:
            i = task.index
            if after.asleep[i] != before.asleep[i]:
                yield f"{task.name} {'sleeps' if after.asleep[i] else 'is woken'}"
            elif after.blocked[i] and not before.blocked[i]:
                yield f"{task.name} is blocked"
            if i in after.ended and i not in before.ended:
                yield f"{task.name} ends"


def _moment(world: World) -> _Moment:
    # A task that sleeps is blocked, too; sleeping says more.
    return _Moment(
        world.shared_state(),
        tuple(task.asleep for task in world.tasks),
        tuple(not task.runnable and not task.asleep and task.point is not None for task in world.tasks),
        tuple(world.ended),
    )


class _Names:
    """Readable names of objects: page-table entries and their locks are numbered by file in the model."""

    def __init__(self, bench: Bench) -> None:
        self._files = list(bench.program.setup.files)
        self.tasks = list(bench.program.tasks)

    def of(self, obj: Shared) -> str:
        name = re.sub(r"\.pte(\d+)\.(\d+)$", lambda found: f".pte[{self.page(int(found[1]), found[2])}]", obj.name)
        name = re.sub(
            r"\.(ptl|pmd|pud)(\d+)\.(\d+)$", lambda found: f".{found[1]}[{self.page(int(found[2]), found[3])}]", name
        )
        return re.sub(r"\.extent(\d+)$", r".extent[\1]", name)

    def file(self, inode: int) -> str:
        return self._files[inode]

    def page(self, inode: int, index: object) -> str:
        # The places that mremap moves mappings to come after the first ones of all files.
        place, inode = divmod(inode, len(self._files))
        return f"{self._files[inode]} {index}" + ", moved" * bool(place)


_XAS = {"find": "xas_find", "find_conflict": "xas_find_conflict"}
"""Functions of the xarray's operation state, which are methods in the model."""


def shown_function(name: str, renames: Mapping[str, str]) -> str:
    """The kernel's name of a function. Python mangles names that begin with two underscores, so the model has one."""
    name = renames.get(name, _XAS.get(name, name))
    return f"_{name}" if name.startswith("_") and not name.startswith("__") else name


def shown_value(value: object) -> str:
    """A value of the model, briefly."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case tuple() if type(value) is tuple:
            return f"[{', '.join(shown_value(each) for each in value)}]"
    return str(value)


# -- changes in words --------------------------------------------------------------------------------------------


def changes(obj: Shared, old: Hashable, new: Hashable, names: _Names) -> Iterator[str]:
    """How one object has changed."""
    name = names.of(obj)
    before, after = cast(Any, old), cast(Any, new)
    match obj:
        case Mutex():
            yield f"{name} {'released' if after < 0 else 'taken'}"
        case RwSemaphore():
            yield from _rwsem(name, before, after, names)
        case Completion():
            yield f"{name} {'completed' if after[0] > before[0] else 'consumed'}"
        case WaitQueueHead():
            yield from _queue(name, before, after, names)
        case XArray():
            yield from _xarray(name.removesuffix(".i_pages"), before, after)
        case BlockAllocator():
            yield from _blocks(before, after, names)
        case Block():
            if before[0] != after[0]:
                yield f"{name} data {before[0]} -> {after[0]}"
            if before[1] != after[1]:
                yield f"{name} durable {before[1]} -> {after[1]}"
        case Journal():
            yield from _journal(before, after, names)
        case PercpuRwSemaphore():
            yield from _percpu_rwsem(name, before, after)
        case FdTable():
            yield from (f"{name}: {names.file(number)} closed" for number in before if number not in after)
        case Tlb():
            yield from _tlb(name, before, after)
        case PercpuRef():
            yield f"{name} {before[0]} -> {after[0]}" + (", dying" if after[1] and not before[1] else "")
        case Rcu():
            yield from _rcu(name, before, after, names)
        case Interrupts():
            yield from _interrupts(before, after, names)
        case Signals():
            yield from (
                f"signal pending for {task}" if now else f"no signal pending for {task}"
                for task, was, now in zip(names.tasks, before, after, strict=True)
                if was != now
            )
        case Atomic():
            yield f"{name} {before} -> {after}"
        case _:
            yield f"{name} {shown_value(before)} -> {shown_value(after)}"


def _rwsem(name: str, old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: writer or -1, readers, and (task, write) of the queue."""
    if new[0] >= 0 and old[0] < 0:
        yield f"{name} taken for write"
    elif old[0] in new[1]:
        yield f"{name} downgraded"
    elif old[0] >= 0 > new[0] or len(new[1]) < len(old[1]):
        yield f"{name} released"
    elif len(new[1]) > len(old[1]):
        yield f"{name} taken for read"
    for task, write in new[2]:
        if (task, write) not in old[2]:
            yield f"{names.tasks[task]} queues for {name}"


def _queue(name: str, old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: (task, key, exclusive) of each waiter."""
    was, now = [entry[0] for entry in old], [entry[0] for entry in new]
    for task in now:
        if task not in was:
            yield f"{name} {names.tasks[task]} queued"
    for task in was:
        if task not in now:
            yield f"{name} {names.tasks[task]} off the queue"


def _xarray(name: str, old: Any, new: Any) -> Iterator[str]:
    """State: (index, entry) pairs, and the indices that have each mark."""
    was, now = dict(old[0]), dict(new[0])
    for index in sorted({*was, *now}):
        if was.get(index) != now.get(index):
            yield f"{name} entry {index}: {shown_value(was.get(index))} -> {shown_value(now.get(index))}"
    for mark, before, after in zip(Mark, old[2], new[2], strict=True):
        yield from (f"{name} entry {index}: {mark}" for index in after if index not in before)
        yield from (f"{name} entry {index}: not {mark}" for index in before if index not in after and index in now)


def _blocks(old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: per block its owners, (inode, page) each; and the free blocks that wait for a commit."""
    for pfn, (was, now) in enumerate(zip(old[0], new[0], strict=True)):
        if was != now:
            owners = " and ".join(names.page(*owner) for owner in now)
            verb = "freed" if not now else "allocated to" if not was else "shared by" if len(now) > 1 else "left to"
            yield f"block {pfn} {verb} {owners}".rstrip()


def _journal(old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: running and committed transaction, whether it is locked, freezer, handles, committer, and the inodes'."""
    yield from (f"{names.tasks[task]} opens a handle" for task in new[4] if task not in old[4])
    yield from (f"{names.tasks[task]} closes its handle" for task in old[4] if task not in new[4])
    if new[2] and not old[2]:
        yield f"transaction {new[0]} locked"
    if new[0] != old[0]:
        yield f"transaction {old[0]} being committed"
    if new[1] != old[1]:
        yield f"transaction {new[1]} committed"
    if new[3] != old[3]:
        yield "handles barred" if new[3] >= 0 else "handles let in"
    for number, (was, now) in enumerate(zip(old[6], new[6], strict=True)):
        if was != now:
            yield f"{names.file(number)} changed by transaction {now}"


def _percpu_rwsem(name: str, old: Any, new: Any) -> Iterator[str]:
    """State: whether readers are barred, the writer that waits or -1, and the readers."""
    if new[0] != old[0]:
        yield f"{name} {'barred' if new[0] else 'open'}"
    elif new[1] != old[1]:
        yield f"{name} frozen"
    elif len(new[2]) != len(old[2]):
        yield f"{name} {'taken for read' if len(new[2]) > len(old[2]) else 'released'}"


def _tlb(name: str, old: Any, new: Any) -> Iterator[str]:
    """State: (address, pte) pairs of pages, then of PMDs."""
    before, after = ([pte for pairs in state for _, pte in pairs] for state in (old, new))
    for pte in after:
        if pte not in before:
            yield f"{name} + {pte!r}"
    for pte in before:
        if pte not in after:
            yield f"{name} - {pte!r}"


def _rcu(name: str, old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: (task, sections) pairs, and (task, readers it waits for) pairs."""
    was, now = dict(old[0]), dict(new[0])
    yield from (f"{names.tasks[task]} in {name}" for task in now if task not in was)
    yield from (f"{names.tasks[task]} out of {name}" for task in was if task not in now)
    yield from (f"{names.tasks[task]} waits for {name} readers" for task, left in new[1] if left and not dict(old[1]))


def _interrupts(old: Any, new: Any, names: _Names) -> Iterator[str]:
    """State: per task how deep it has interrupts off, and (sender, target) of what is on its way."""
    for task, was, now in zip(names.tasks, old[0], new[0], strict=True):
        if bool(was) != bool(now):
            yield f"{task} irqs {'off' if now else 'on'}"
    for sender, target in new[1]:
        if (sender, target) not in old[1]:
            yield f"ipi {names.tasks[sender]} -> {names.tasks[target]} pending"
    for sender, target in old[1]:
        if (sender, target) not in new[1]:
            yield f"ipi {names.tasks[sender]} -> {names.tasks[target]} served"


# -- table -------------------------------------------------------------------------------------------------------


def table(steps: Sequence[Row], tasks: Sequence[str]) -> Table:
    """One column per task, one row per step; operation and function are written where they begin."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column("", justify="right", style="dim", no_wrap=True)
    for task in tasks:
        grid.add_column(task, overflow="fold", ratio=3)
    grid.add_column("changed", overflow="fold", ratio=2)
    calls: dict[str, str] = {}
    functions: dict[str, str] = {}
    last = ""
    for row in _visible(steps):
        if row is None:
            grid.add_row("...", *("" for _ in tasks), f"{len(steps) - SHOWN:,} steps are not shown")
            continue
        if row.access == "call":
            # The step into the call is the line that names it.
            title = _in_column(tasks, row.task, Text(row.call, style="bold"))
            grid.add_row(str(row.turn), *title, "\n".join(_briefly(row)))
            calls[row.task], last = row.call, row.task
            functions.pop(row.task, None)
            continue
        if calls.get(row.task) != row.call:
            grid.add_row("", *_in_column(tasks, row.task, Text(row.call, style="bold")))
            functions.pop(row.task, None)
        if functions.get(row.task) != row.function or last != row.task:
            grid.add_row("", *_in_column(tasks, row.task, Text(row.function, style="cyan")))
        calls[row.task], functions[row.task], last = row.call, row.function, row.task
        access = Padding(access_line(row), (0, 0, 0, 2))
        grid.add_row(str(row.turn), *_in_column(tasks, row.task, access), "\n".join(_briefly(row)))
    return grid


def text_table(bench: Bench, execution: Execution) -> str:
    """The steps of an execution as a table in plain text, for messages."""
    console = Console(width=TEXT_WIDTH, no_color=True, legacy_windows=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table(rows(bench, execution), list(bench.program.tasks)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _in_column(tasks: Sequence[str], chosen: str, cell: Text | Padding) -> list[Text | Padding | str]:
    """The cells of all tasks, of which one has something in it."""
    return [cell if task == chosen else "" for task in tasks]


def _briefly(row: Row) -> list[str]:
    """What changed, without the name of the object that stands beside it."""
    return [change.removeprefix(f"{row.object} ") for change in row.changed]


def access_line(row: Row) -> Text:
    """Verb, object and value of a step."""
    return Text.assemble(row.access, " ", row.object, (f" = {row.value}" if row.value else "", "dim"))


def _visible(steps: Sequence[Row]) -> Iterator[Row | None]:
    """The rows to show; None for a gap."""
    if len(steps) <= SHOWN:
        yield from steps
        return
    yield from steps[: SHOWN // 2]
    yield None
    yield from steps[-SHOWN // 2 :]
