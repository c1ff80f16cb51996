"""References to pages, taken and dropped on behalf of drivers, and what devices do with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.program.operations.operation import EINVAL, FILE, PAGE, Result, operation, parameter
from daxfuzz.program.signature import Holds, Kind

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

LONGTERM = parameter("flags", Kind.FLAG, "FOLL_LONGTERM", optional=True)


@operation("FOLL_GET|FOLL_WRITE reference, slow path", FILE, PAGE, result=Holds.GET)
async def get_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    return sim.hold(task, call, Foll.GET, await sim.kernel.gup.get_user_pages_unlocked(mm, *_gup(sim, call, Foll.GET)))


@operation("FOLL_GET|FOLL_WRITE reference, lockless first", FILE, PAGE, result=Holds.GET)
async def get_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    page = await sim.kernel.gup.internal_get_user_pages_fast(mm, *_gup(sim, call, Foll.GET))
    return sim.hold(task, call, Foll.GET, page)


@operation("FOLL_PIN|FOLL_WRITE reference, slow path", FILE, PAGE, LONGTERM, result=Holds.PIN)
async def pin_user_pages(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    return sim.hold(task, call, Foll.PIN, await sim.kernel.gup.get_user_pages_unlocked(mm, *_gup(sim, call, Foll.PIN)))


@operation("FOLL_PIN|FOLL_WRITE reference, lockless first", FILE, PAGE, LONGTERM, result=Holds.PIN)
async def pin_user_pages_fast(sim: Simulation, task: Task, call: Call) -> Result:
    mm = sim.kernel.mm_of[task.index]
    page = await sim.kernel.gup.internal_get_user_pages_fast(mm, *_gup(sim, call, Foll.PIN))
    return sim.hold(task, call, Foll.PIN, page)


def _gup(sim: Simulation, call: Call, flags: int) -> tuple[int, int]:
    flags |= Foll.WRITE
    if "FOLL_LONGTERM" in call.arguments:
        flags |= Foll.LONGTERM
    return sim.address(call), flags


@operation("drop a FOLL_GET reference", parameter("register", Kind.REGISTER, holds=Holds.GET))
def put_page(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.memremap.put_page)


@operation("drop a FOLL_PIN reference", parameter("register", Kind.REGISTER, holds=Holds.PIN))
def unpin_user_pages(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _release(sim, task, call, sim.kernel.gup.unpin_user_page)


async def _release(sim: Simulation, task: Task, call: Call, put: Callable[[Page], Awaitable[None]]) -> Result:
    page = sim.drop(task, str(call.arguments[0]))
    if page is None:
        return -EINVAL
    await put(page)
    return 0


@operation("a device writes to a held page", parameter("register", Kind.REGISTER))
async def dma_write(sim: Simulation, task: Task, call: Call) -> Result:
    reference = sim.registers[task.index].get(str(call.arguments[0]))
    if reference is None:
        return -EINVAL
    value = sim.unique_value(task)
    await sim.kernel.blocks[reference.page.pfn].dma_write(value)
    for hook in sim.on_dma:
        hook(task, reference)
    return value
