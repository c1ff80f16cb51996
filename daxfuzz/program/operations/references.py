"""References to pages, taken and dropped on behalf of drivers, and what devices do with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EINVAL
from daxfuzz.kernel.gup import Foll
from daxfuzz.program.operations.operation import FILE, PAGE, READ_ONLY, Result, operation, parameter
from daxfuzz.program.signature import Holds, Kind

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

    Release = Callable[[Sequence[Page]], Awaitable[None]]

PAGES = parameter("length", Kind.LENGTH, optional=True)
GET_FLAGS = parameter("flags", Kind.FLAG, READ_ONLY, optional=True)
PIN_FLAGS = parameter("flags", Kind.FLAG, "FOLL_LONGTERM", READ_ONLY, optional=True)


@operation("FOLL_GET|FOLL_WRITE references, slow path", FILE, PAGE, PAGES, GET_FLAGS, result=Holds.GET)
async def get_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm, addresses, flags = _request(sim, task, call, Foll.GET)
    return sim.hold(task, call, flags, await sim.kernel.gup.get_user_pages_unlocked(mm, addresses, flags))


@operation("FOLL_GET|FOLL_WRITE references, lockless first", FILE, PAGE, PAGES, GET_FLAGS, result=Holds.GET)
async def get_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm, addresses, flags = _request(sim, task, call, Foll.GET)
    return sim.hold(task, call, flags, await sim.kernel.gup.internal_get_user_pages_fast(mm, addresses, flags))


@operation("FOLL_PIN|FOLL_WRITE references, slow path", FILE, PAGE, PAGES, PIN_FLAGS, result=Holds.PIN)
async def pin_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm, addresses, flags = _request(sim, task, call, Foll.PIN)
    return sim.hold(task, call, flags, await sim.kernel.gup.get_user_pages_unlocked(mm, addresses, flags))


@operation("FOLL_PIN|FOLL_WRITE references, lockless first", FILE, PAGE, PAGES, PIN_FLAGS, result=Holds.PIN)
async def pin_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm, addresses, flags = _request(sim, task, call, Foll.PIN)
    return sim.hold(task, call, flags, await sim.kernel.gup.internal_get_user_pages_fast(mm, addresses, flags))


def _request(sim: Simulation, task: Task, call: Call, flags: int) -> tuple[Mm, range, int]:
    """The addresses of one page, or of as many as the call says; READ_ONLY is the absence of FOLL_WRITE."""
    length = 1
    write = Foll.WRITE
    for argument in call.arguments[2:]:
        if isinstance(argument, int):
            length = argument
        else:
            write = 0 if argument == READ_ONLY else Foll.WRITE | Foll.LONGTERM
    address = sim.address(call)
    return sim.kernel.mm_of[task.index], range(address, address + length), flags | write


@operation("drop FOLL_GET references, page by page", parameter("register", Kind.REGISTER, holds=Holds.GET))
async def put_page(sim: Simulation, task: Task, call: Call) -> Result:
    pages = sim.drop(task, str(call.arguments[0]))
    for page in pages:
        await sim.kernel.memremap.put_page(page)
    return 0 if pages else -EINVAL


@operation("drop FOLL_PIN references", parameter("register", Kind.REGISTER, holds=Holds.PIN))
def unpin_user_pages(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.gup.unpin_user_pages)


async def _release(sim: Simulation, task: Task, call: Call, release: Release) -> Result:
    pages = sim.drop(task, str(call.arguments[0]))
    if not pages:
        return -EINVAL
    await release(pages)
    return 0


@operation("a device writes to the held pages, one after the other", parameter("register", Kind.REGISTER))
async def dma_write(sim: Simulation, task: Task, call: Call) -> Result:
    references = sim.registers[task.index].get(str(call.arguments[0]), ())
    if not references or not references[0].flags & Foll.WRITE:
        return -EINVAL
    value = sim.unique_value(task)
    for reference in references:
        await sim.kernel.blocks[reference.page.pfn].dma_write(value)
        for hook in sim.on_dma:
            hook(task, reference)
    return value


@operation("drop FOLL_GET references in a batch", parameter("register", Kind.REGISTER, holds=Holds.GET))
def release_pages(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.memremap.release_pages)
