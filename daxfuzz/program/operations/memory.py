"""Mappings, and accesses of the processor through them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import VMA_PAGES, VmFlag
from daxfuzz.program.operations.operation import (
    DESCRIPTOR,
    FILE,
    LENGTH,
    MAP_PRIVATE,
    PAGE,
    Result,
    operation,
    parameter,
    with_file,
)
from daxfuzz.program.signature import Kind
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation(
    "map a whole file, shared unless told otherwise, where it is not mapped yet",
    DESCRIPTOR,
    parameter("flags", Kind.FLAG, "MAP_SYNC", MAP_PRIVATE, optional=True),
)
def mmap(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    flags = {"MAP_SYNC": VmFlag.SHARED | VmFlag.SYNC, MAP_PRIVATE: 0}.get(str(call.arguments[-1]), VmFlag.SHARED)
    mm = sim.kernel.mm_of[task.index]
    return with_file(sim, task, call, lambda inode: sim.kernel.mmap.do_mmap(mm, inode, flags))


@operation("unmap a file", FILE)
def munmap(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.mmap.do_munmap(sim.kernel.mm_of[task.index], sim.inode(call))


@operation("move the mapping of a file to another address, and back", FILE)
async def mremap(sim: Simulation, task: Task, call: Call) -> Result:
    kernel = sim.kernel
    mm = kernel.mm_of[task.index]
    inode = sim.inode(call)
    here, there = kernel.addresses(inode.number, 0)
    error = await kernel.mremap.mremap(mm, inode, there)
    return error or await kernel.mremap.mremap(mm, inode, here)


@operation("read memory through the task's mapping of a file", FILE, PAGE)
def load(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return access(sim, task, sim.address(call), None)


@operation("write memory through the task's mapping of a file", FILE, PAGE)
def store(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return access(sim, task, sim.address(call), sim.unique_value(task))


@operation(
    "forget what is mapped in a range, or fail the first page of it",
    FILE,
    parameter("advice", Kind.FLAG, "MADV_DONTNEED", "MADV_HWPOISON"),
    PAGE,
    LENGTH,
)
def madvise(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    _, advice, page, length = call.arguments
    address = sim.inode(call).number * VMA_PAGES + int(page)
    if advice == "MADV_HWPOISON":
        return sim.kernel.memory_failure.madvise_inject_error(sim.kernel.mm_of[task.index], address)
    return sim.kernel.madvise.madvise_dontneed(sim.kernel.mm_of[task.index], address, int(length))


async def access(sim: Simulation, task: Task, address: int, value: int | None, nofault: bool = False) -> Result:
    """The processor reads memory, or writes `value`: the value read or written, or the name of a signal.

    It uses a translation that it holds, else walks the page table, else faults. nofault: faults are disabled; it fails
    as if nothing were mapped.
    """
    kernel = sim.kernel
    mm = kernel.mm_of[task.index]
    tlb = kernel.tlb_of(task)
    write = value is not None
    while True:
        pte = tlb.lookup(address)
        if pte is None or (write and not pte.write):
            pte = await tlb.walk(mm, address, write)
            if pte is None:
                if nofault:
                    return "SIGSEGV"
                signal = await kernel.memory.do_user_addr_fault(mm, address, write)
                if signal:
                    return signal
                if task.signal is Signal.FATAL:
                    return "SIGKILL"
                continue
        block = kernel.zero_page if pte.zero else kernel.blocks[pte.pfn]
        if value is None:
            read = await block.load(tlb, address, pte)
            if read is not None:
                return read
        elif await block.store(tlb, address, pte, value):
            return value
