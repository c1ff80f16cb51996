"""The state of shared objects for a reader: one or several named values each."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, cast

from daxfuzz.kernel.block import Block, BlockAllocator
from daxfuzz.kernel.fdtable import FdTable
from daxfuzz.kernel.journal import Journal, Updates
from daxfuzz.kernel.memremap import MemHotplug
from daxfuzz.kernel.tlb import Tlb
from daxfuzz.kernel.xarray import Mark, XArray
from daxfuzz.program.user_space import UserSpace
from daxfuzz.sim import (
    Completion,
    Interrupts,
    Lock,
    Mutex,
    PercpuRef,
    PercpuRwSemaphore,
    Rcu,
    RwSemaphore,
    Shared,
    Signals,
    WaitQueueHead,
)
from daxfuzz.triage.trace.names import Names, shown_value

Named = Iterator[tuple[str, str]]

FREE, EMPTY = "free", "empty"


def group_of(obj: Shared, name: str) -> str:
    """What a value of an object is shown with: locks and wait queues among themselves, others by what they are of."""
    match obj:
        case Journal():
            return "journal"
        case Lock():
            return "locks"
        case WaitQueueHead():
            return "wait queues"
        case BlockAllocator() | Block():
            return "blocks"
        case Interrupts() | Signals() | Tlb():
            return "processors"
        case XArray():
            return name.split(" ")[0]
    first, dot, _ = name.partition(".")
    return first if dot else "others"


def state_of(obj: Shared, state: Hashable, names: Names) -> Named:
    """The values of one object, by name. An object that was freed is just that."""
    name = names.of(obj)
    now = cast(Any, state)
    if obj.FREED:
        yield name, "freed"
        return
    match obj:
        case UserSpace() | MemHotplug() | Updates():
            # They have no state of their own.
            return
        case Mutex():
            yield name, FREE if now < 0 else names.tasks[now]
        case RwSemaphore():
            yield name, _rwsem(now, names)
        case PercpuRwSemaphore():
            yield name, _percpu_rwsem(now, names)
        case Journal():
            yield from _journal(now, names)
        case Completion():
            yield name, "; ".join(filter(None, (f"done {now[0]}" if now[0] else "", _waiters(now[1], names)))) or EMPTY
        case WaitQueueHead():
            yield name, _waiters(now, names) or EMPTY
        case XArray():
            yield from _xarray(name.removesuffix(".i_pages"), now)
        case BlockAllocator():
            yield from _blocks(now, names)
        case Block():
            yield f"{name}.data", str(now[0])
            yield f"{name}.durable", str(now[1])
        case Tlb():
            yield name, ", ".join(shown_value(pte) for pairs in now for _, pte in pairs) or EMPTY
        case FdTable():
            yield name, ", ".join(names.file(number) for number in now) or EMPTY
        case PercpuRef():
            yield name, f"{now[0]}, dying" if now[1] else str(now[0])
        case Rcu():
            yield name, _rcu(now, names)
        case Interrupts():
            yield from _interrupts(now, names)
        case Signals():
            yield from ((f"{task}.signal", each.name.lower()) for task, each in zip(names.tasks, now, strict=True))
        case _:
            yield name, shown_value(now)


def _tasks(indices: Iterable[int], names: Names) -> str:
    return ", ".join(names.tasks[index] for index in indices)


def _rwsem(now: Any, names: Names) -> str:
    """State: writer or -1, readers, and (task, write) of the queue."""
    writer, readers, queue = now
    holders = f"write: {names.tasks[writer]}" if writer >= 0 else ""
    if readers:
        holders = f"read: {_tasks(readers, names)}"
    waiting = ", ".join(f"{names.tasks[task]} ({'write' if write else 'read'})" for task, write in queue)
    return (holders or FREE) + (f"; queue: {waiting}" if waiting else "")


def _percpu_rwsem(now: Any, names: Names) -> str:
    """State: whether readers are barred, the writer that waits or -1, and the readers."""
    barred, writer, readers = now
    inside = f"read: {_tasks(readers, names)}" if readers else ""
    waiting = f"{names.tasks[writer]} waits" if writer >= 0 else "frozen" if barred else ""
    return "; ".join(filter(None, (inside, waiting))) or FREE


def _waiters(entries: Any, names: Names) -> str:
    """(task, key, exclusive) of each waiter."""
    shown = []
    for task, key, exclusive in entries:
        what = ", ".join(filter(None, (names.key(key), "exclusive" if exclusive else "")))
        shown.append(names.tasks[task] + (f" ({what})" if what else ""))
    return ", ".join(shown)


def _xarray(name: str, now: Any) -> Named:
    """State: (index, entry) pairs, (index, length) of the wide ones, and the indices that have each mark."""
    entries, spans, marked = now
    lengths = dict(spans)
    for index, entry in entries:
        marks = [str(mark) for mark, indices in zip(Mark, marked, strict=True) if index in indices]
        to = index + lengths.get(index, 1) - 1
        place = f"{index}" if to == index else f"{index}-{to}"
        yield f"{name} entry {place}", ", ".join((shown_value(entry), *marks))


def _blocks(now: Any, names: Names) -> Named:
    """State: the owners of each block, (inode, page) each, and the blocks that wait for a commit."""
    for pfn, owners in enumerate(now[0]):
        yield f"block{pfn}.owner", " and ".join(names.page(*owner) for owner in owners) or FREE
    waiting = [*now[1], *now[2], *(pfn for _, pfn in now[3])]
    yield "allocator.uncommitted", ", ".join(f"block {pfn}" for pfn in waiting) or EMPTY


def _journal(now: Any, names: Names) -> Named:
    """State: running and committed transaction, whether it is locked, freezer, handles, committer, and the inodes'."""
    running, committed, locked, freezer, handles, committer, _ = now
    yield "journal.running", f"{running}, locked" if locked else str(running)
    yield "journal.committed", str(committed)
    yield "journal.handles", _tasks(handles, names) or EMPTY
    if freezer >= 0:
        yield "journal.freezer", names.tasks[freezer]
    if committer >= 0:
        yield "journal.committer", names.tasks[committer]


def _rcu(now: Any, names: Names) -> str:
    """State: (task, sections) pairs, and (task, readers it waits for) pairs."""
    inside = _tasks((task for task, _ in now[0]), names)
    waiting = [
        f"{names.tasks[task]} waits for {', '.join(names.tasks[each] for each in left)}" for task, left in now[1]
    ]
    return "; ".join(filter(None, (inside and f"in: {inside}", *waiting))) or "no readers"


def _interrupts(now: Any, names: Names) -> Named:
    """State: per task how deep it has interrupts off, and (sender, target) of what is on its way."""
    for task, depth in zip(names.tasks, now[0], strict=True):
        yield f"{task}.irqs", "off" if depth else "on"
    for sender, target in now[1]:
        yield f"{names.tasks[target]}.ipi", f"from {names.tasks[sender]}"
