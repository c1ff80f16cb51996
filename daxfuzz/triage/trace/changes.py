"""What a step changed in a shared object, in words."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, cast

from daxfuzz.kernel.block import Block, BlockAllocator
from daxfuzz.kernel.fdtable import FdTable
from daxfuzz.kernel.journal import Journal
from daxfuzz.kernel.tlb import Tlb
from daxfuzz.kernel.xarray import Mark, XArray
from daxfuzz.sim import (
    Atomic,
    Completion,
    Interrupts,
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


def changes(obj: Shared, old: Hashable, new: Hashable, names: Names) -> Iterator[str]:
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


def _rwsem(name: str, old: Any, new: Any, names: Names) -> Iterator[str]:
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


def _queue(name: str, old: Any, new: Any, names: Names) -> Iterator[str]:
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


def _blocks(old: Any, new: Any, names: Names) -> Iterator[str]:
    """State: per block its owners, (inode, page) each; and the free blocks that wait for a commit."""
    for pfn, (was, now) in enumerate(zip(old[0], new[0], strict=True)):
        if was != now:
            owners = " and ".join(names.page(*owner) for owner in now)
            verb = "freed" if not now else "allocated to" if not was else "shared by" if len(now) > 1 else "left to"
            yield f"block {pfn} {verb} {owners}".rstrip()


def _journal(old: Any, new: Any, names: Names) -> Iterator[str]:
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


def _rcu(name: str, old: Any, new: Any, names: Names) -> Iterator[str]:
    """State: (task, sections) pairs, and (task, readers it waits for) pairs."""
    was, now = dict(old[0]), dict(new[0])
    yield from (f"{names.tasks[task]} in {name}" for task in now if task not in was)
    yield from (f"{names.tasks[task]} out of {name}" for task in was if task not in now)
    yield from (f"{names.tasks[task]} waits for {name} readers" for task, left in new[1] if left and not dict(old[1]))


def _interrupts(old: Any, new: Any, names: Names) -> Iterator[str]:
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
