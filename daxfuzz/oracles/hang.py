"""Why nobody can go on: the wait-for graph at the end of an execution, which the liveness oracles share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.page import PAGE_STRUCT_SIZE
from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.lookup import entry_at, head_of
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.range_users import RangeUsers
from daxfuzz.sim import PercpuRwSemaphore, Task, WaitEntry, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import FuseConnDax
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.simulation import Reference, Simulation


@dataclass(slots=True)
class Wait:
    """What one stuck task waits for.

    channel: the lock class or the wait, for signatures and readers.
    waits_for: indices of the tasks that could end the wait.
    satisfied: asleep although what it waits for has happened.
    page: the page it waits to become idle, if that is it.
    holders: references that keep the page busy and that no call has to drop, with the tasks that took them: a user
    keeps them, or a device, which can always end. Those of calls under way are in waits_for instead.
    frozen: it waits for somebody to thaw the file system.
    leased: it waits for an NFS client to give a lease back.
    any_of: indices of tasks, each of which could end the wait alone.
    served: a worker of the kernel that is queued, but that the program may lack, would end the wait.
    """

    task: Task
    channel: str
    waits_for: tuple[int, ...] = ()
    satisfied: bool = False
    page: Page | None = None
    holders: tuple[tuple[Task, Reference], ...] = ()
    frozen: bool = False
    leased: bool = False
    any_of: tuple[int, ...] = ()
    served: bool = False


class HangOracle(Oracle):
    """Judges what tasks wait for when nobody can go on."""

    def attach(self) -> None:
        EntryOwners.of(self.sim)
        InFlight.of(self.sim)
        RangeUsers.of(self.sim)
        self.world.on_end.append(self.at_end)

    def at_end(self) -> None:
        world = self.world
        if not world.enabled and len(world.ended) < len(world.tasks):
            self.judge(waits(self.sim))

    def judge(self, found: list[Wait]) -> None:
        """Look at the waits of all tasks that are stuck."""
        raise NotImplementedError


def waits(sim: Simulation) -> list[Wait]:
    """One Wait per task that is blocked when nobody can go on, in index order."""
    return [wait_of(sim, task) for task in sim.stuck()]


def wait_of(sim: Simulation, task: Task) -> Wait:
    """What a blocked task waits for."""
    on = task.blocked_on
    if on is sim.kernel.pgmap.done:
        return pgmap_wait(sim, task)
    if isinstance(on, WaitQueueHead):
        entry = next((entry for entry in on.entries if entry.task is task), None)
        if entry is not None and any(on is inode.lease_wait for inode in sim.kernel.inodes.values()):
            satisfied = peek(entry.condition, sim)
            return Wait(task, "layout_lease", satisfied=satisfied, leased=not satisfied)
        if entry is not None and sim.kernel.fuse_conn is not None and on is sim.kernel.fuse_conn.range_waitq:
            return range_wait(sim, sim.kernel.fuse_conn, task, entry)
        if entry is not None and any(entry.key == inode.address for inode in sim.kernel.inodes.values()):
            # It is not known which task evicts the inode; what that one waits for is judged as its own.
            others = tuple(other.index for other in sim.stuck() if other is not task)
            return Wait(task, "eviction", any_of=others, satisfied=peek(entry.condition, sim))
        if entry is not None and entry.condition is not None:
            return page_wait(sim, task, entry)
        if entry is not None and isinstance(entry.key, tuple):
            return entry_wait(sim, task, *entry.key)
        return Wait(task, on.name.split("[")[0])
    if on is None:
        return Wait(task, "nothing")
    unfrozen = sim.kernel.sb.frozen.value is Frozen.UNFROZEN
    frozen = isinstance(on, PercpuRwSemaphore) and on.frozen() and not unfrozen
    return Wait(task, getattr(on, "lock_class", on.name), on.owners(), frozen=frozen)


def entry_wait(sim: Simulation, task: Task, mapping: int, index: int) -> Wait:
    """A task asleep on an entry lock."""
    owner: int | None = None
    for inode in sim.kernel.inodes.values():
        if inode.i_mapping.address == mapping:
            found = entry_at(inode.i_mapping.i_pages, index)
            if found is None or not found[1].locked:
                return Wait(task, "dax_entry", satisfied=True)
            owner = EntryOwners.of(sim).owners.get((inode.number, found[0]))
    return Wait(task, "dax_entry", () if owner is None else (owner,))


def page_wait(sim: Simulation, task: Task, entry: WaitEntry) -> Wait:
    """A task asleep until a page is idle."""
    assert isinstance(entry.key, int)
    page = sim.kernel.pages[entry.key // PAGE_STRUCT_SIZE]
    # Of a page that is gone nobody can say whether it is idle; who still holds it is known.
    if not page.freed and peek(entry.condition, sim):
        return Wait(task, "page_idle", satisfied=True, page=page)
    holders = tuple((holder, reference) for holder, reference in sim.references() if head_of(reference.page) is page)
    tasks = InFlight.of(sim).holders(page)
    if task.index in sim.kernel.reclaimers:
        # Who only needs memory has not asked for the file's removal: nobody can know that the pin is waited for.
        tasks += tuple(index for index, held in enumerate(sim.registers) if has_page(held.values(), page))
    return Wait(task, "page_idle", tasks, page=page, holders=holders)


def has_page(registers: Iterable[tuple[Reference, ...]], page: Page) -> bool:
    """Whether any register has a reference of a page."""
    return any(head_of(reference.page) is page for references in registers for reference in references)


def range_wait(sim: Simulation, conn: FuseConnDax, task: Task, entry: WaitEntry) -> Wait:
    """A task asleep until a range of the window is free.

    The one worker, which the kernel runs whenever it is queued, takes the first busy range that no
    iomap uses, and waits for its pages. A range that is neither busy nor free, or whose file is going away, is on its
    way through some other task.
    """
    if peek(entry.condition, sim):
        return Wait(task, "free_range", satisfied=True)
    busy = [dmap for dmap in conn.busy_ranges.value if dmap.inode.value and dmap.inode.value.i_count.value]
    others = tuple(other.index for other in sim.world.tasks if other is not task and other.point is not None)
    users = RangeUsers.of(sim).users
    any_of = tuple(user for dmap in busy for user in users[dmap.number])
    if any(dmap not in busy for dmap in conn.dmaps):
        any_of += others
    worker = conn.free_worker.owners()
    first = next((dmap for dmap in busy if dmap.refcnt.value <= 1), None)
    if worker or first is None:
        return Wait(task, "free_range", any_of=any_of + worker)
    pages = [sim.kernel.pages[pfn] for pfn in conn.pfns(first.number)]
    holders = tuple(each for page in pages for each in InFlight.of(sim).holders(page))
    return Wait(task, "free_range", any_of=any_of + holders, served=not holders and conn.free_work.value)


def pgmap_wait(sim: Simulation, task: Task) -> Wait:
    """A task asleep until nothing holds the page map.

    What explains it is that each page which holds the page map is held itself, by somebody or by calls under way, and
    by nothing but these: an entry of a file explains nothing, since nobody has to delete it.

    Where no page holds it, calls under way do (get_user_pages, while it faults the next page in). It is not known
    which; what these wait for is judged as their own.
    """
    kernel = sim.kernel
    in_flight = InFlight.of(sim)
    cached = [page for page, references in in_flight.entry_references() if references]
    holders: list[tuple[Task, Reference]] = []
    calls: set[int] = set()
    for page in kernel.pages[: kernel.device_pages]:
        if page.freed or not kernel.memremap.page_pgmap_references(page.refcount.value):
            continue
        here = [held for held in sim.references() if head_of(held[1].page) is page]
        under_way = in_flight.holders(page)
        if page in cached or not (here or under_way):
            return Wait(task, kernel.pgmap.done.name)
        holders += here
        calls.update(under_way)
    any_of: tuple[int, ...] = ()
    entries = [entry for inode in kernel.inodes.values() for entry in inode.i_mapping.i_pages.entries.values()]
    if not holders and not calls and not any(map(kernel.memremap.entry_pgmap_references, entries)):
        any_of = tuple(other.index for other in sim.stuck() if other is not task)
    return Wait(task, kernel.pgmap.done.name, tuple(sorted(calls)), holders=tuple(holders), any_of=any_of)


def peek(condition: Callable[[], Awaitable[bool]] | None, sim: Simulation) -> bool:
    """Evaluate a condition of a sleeper now, outside any task's turn."""
    assert condition is not None
    log = sim.world.log
    length = len(log)
    task = sim.world.current
    point = task.point
    awaited: Any = condition()
    # A primitive of the simulation is a generator, which can be awaited as it is.
    coroutine = awaited if isinstance(awaited, Generator) else awaited.__await__()
    try:
        while True:
            # The checking mode compares each access with what the current task declares.
            task.point = next(coroutine)
    except StopIteration as end:
        return bool(end.value)
    finally:
        task.point = point
        del log[length:]


def cycle(found: list[Wait]) -> list[Wait]:
    """The waits of a cycle in the wait-for graph, empty if there is none."""
    by_task = {wait.task.index: wait for wait in found}
    for start in found:
        path = [start.task.index]
        stack = [(start.task.index, iter(start.waits_for))]
        while stack:
            _, successors = stack[-1]
            following = next(successors, None)
            if following is None:
                stack.pop()
                path.pop()
            elif following == start.task.index:
                return [by_task[index] for index in path]
            elif following in by_task and following not in path:
                path.append(following)
                stack.append((following, iter(by_task[following].waits_for)))
    return []
