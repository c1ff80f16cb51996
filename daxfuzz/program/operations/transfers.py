"""Transfers that keep pages of a mapping: pipes, and direct reads by a device."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.program.operations.operation import FILE, LENGTH, PAGE, Result, operation

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation("put a page into the pipe, which keeps a FOLL_GET reference until it is read", FILE, PAGE)
def vmsplice(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    mm = sim.kernel.mm_of[task.index]
    return sim.kernel.splice.vmsplice_to_pipe(mm, sim.inode(call), int(call.arguments[1]), sim.address(call))


@operation("read a page out of the pipe")
def pipe_read(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.splice.pipe_read()


@operation("read another file with O_DIRECT into the mapping; a device does it later", FILE, PAGE, LENGTH)
def direct_read(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    mm = sim.kernel.mm_of[task.index]
    address = sim.address(call)
    return sim.kernel.direct_io.iomap_dio_rw(
        mm,
        sim.inode(call),
        int(call.arguments[1]),
        range(address, address + int(call.arguments[2])),
        sim.unique_value(task),
    )


@operation("as a device, wait for a direct read, do it and give the page back")
async def bio_endio(sim: Simulation, task: Task, call: Call) -> Result:
    bio = await sim.kernel.direct_io.bio_endio()
    return bio.value
