"""What each operation does: system calls, memory accesses and driver calls, on behalf of a task.

Where an operation is one call into the kernel it hands over that coroutine instead of awaiting it: every level of
awaiting costs each step of the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import VMA_PAGES
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

Result = int | str
"""0 or a negative errno; for memory accesses the value, or the name of the signal that the access drew."""

EINVAL = 22

Operation = Callable[["Simulation", "Task", "Call"], Awaitable[Result]]


def mmap(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.mmap.do_mmap(sim.kernel.mm_of[task.index], sim.inode(call))


def munmap(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.mmap.do_munmap(sim.kernel.mm_of[task.index], sim.inode(call))


def load(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return access(sim, task, sim.address(call), None)


def store(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return access(sim, task, sim.address(call), sim.unique_value(task))


async def access(sim: Simulation, task: Task, address: int, value: int | None) -> Result:
    """The processor reads memory, or writes `value`: the value read or written, or the name of a signal.

    It uses a translation that it holds, else walks the page table, else faults.
    """
    kernel = sim.kernel
    mm = kernel.mm_of[task.index]
    tlb = kernel.tlb_of(task)
    write = value is not None
    while True:
        pte = tlb.lookup(address)
        if pte is None or (write and not pte.write):
            pte = await mm.slots[address].read()
            if pte is None or (write and not pte.write):
                signal = await kernel.memory.do_user_addr_fault(mm, address, write)
                if signal:
                    return signal
                if task.signal is Signal.FATAL:
                    return "SIGKILL"
                continue
            tlb.fill(address, pte)
        block = kernel.zero_page if pte.zero else kernel.blocks[pte.pfn]
        if value is None:
            read = await block.load(tlb, address, pte)
            if read is not None:
                return read
        elif await block.store(tlb, address, pte, value):
            return value


async def get_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    return sim.hold(task, call, Foll.GET, await sim.kernel.gup.get_user_pages_unlocked(mm, *_gup(sim, call, Foll.GET)))


async def get_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    page = await sim.kernel.gup.internal_get_user_pages_fast(mm, *_gup(sim, call, Foll.GET))
    return sim.hold(task, call, Foll.GET, page)


async def pin_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    return sim.hold(task, call, Foll.PIN, await sim.kernel.gup.get_user_pages_unlocked(mm, *_gup(sim, call, Foll.PIN)))


async def pin_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    page = await sim.kernel.gup.internal_get_user_pages_fast(mm, *_gup(sim, call, Foll.PIN))
    return sim.hold(task, call, Foll.PIN, page)


def _gup(sim: Simulation, call: Call, flags: int) -> tuple[int, int]:
    flags |= Foll.WRITE
    if "FOLL_LONGTERM" in call.arguments:
        flags |= Foll.LONGTERM
    return sim.address(call), flags


def put_page(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.memremap.put_page)


def unpin_user_pages(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.gup.unpin_user_page)


async def _release(sim: Simulation, task: Task, call: Call, put: Callable[[Page], Awaitable[None]]) -> Result:
    page = sim.drop(task, str(call.arguments[0]))
    if page is None:
        return -EINVAL
    await put(page)
    return 0


async def dma_write(sim: Simulation, task: Task, call: Call) -> Result:
    reference = sim.registers[task.index].get(str(call.arguments[0]))
    if reference is None:
        return -EINVAL
    value = sim.unique_value(task)
    await sim.kernel.blocks[reference.page.pfn].dma_write(value)
    for hook in sim.on_dma:
        hook(task, reference)
    return value


def truncate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.fs.do_truncate(sim.inode(call), int(call.arguments[1]))


def fallocate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    _, _, first, length = call.arguments
    return sim.kernel.fs.fallocate_punch_hole(sim.inode(call), int(first), int(length))


def fsync(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.fs.fsync(sim.inode(call))


async def signal(sim: Simulation, task: Task, call: Call) -> Result:
    fatal = "SIGKILL" in call.arguments[1:]
    await sim.kernel.signals.send(sim.task(str(call.arguments[0])), Signal.FATAL if fatal else Signal.PENDING)
    return 0


OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        mmap,
        munmap,
        load,
        store,
        get_user_pages,
        get_user_pages_fast,
        pin_user_pages,
        pin_user_pages_fast,
        put_page,
        unpin_user_pages,
        dma_write,
        truncate,
        fallocate,
        fsync,
        signal,
    )
}
"""The function of each operation in SIGNATURES."""


def file_address(number: int, page: int) -> int:
    """Address, in pages, of a file page in every mm that maps the file."""
    return number * VMA_PAGES + page
