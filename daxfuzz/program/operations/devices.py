"""The device below the files: its removal, and failures of its memory."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EINVAL
from daxfuzz.kernel.inode import block_of
from daxfuzz.program.operations.operation import FILE, OFFSET, Result, operation

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation("take the driver off the device that holds the files")
def unbind(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.dax_device.unbind()


@operation("fail the block of a file page, by its number (hard_offline_page)", FILE, OFFSET)
async def memory_failure(sim: Simulation, task: Task, call: Call) -> Result:
    pfn = block_of(await sim.inode(call).extents[int(call.arguments[1])].read_once())
    return -EINVAL if pfn is None else await sim.kernel.memory_failure.memory_failure(pfn, 0)
