"""What virtio-fs adds."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EOPNOTSUPP
from daxfuzz.program.operations.operation import FILE, Result, operation, parameter
from daxfuzz.program.signature import Kind

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation("open(2) by name with O_RDWR, and close(2)", FILE, parameter("flags", Kind.FLAG, "O_TRUNC", optional=True))
def open(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.do_sys_open(sim.inode(call), "O_TRUNC" in call.arguments)


@operation("the task stands for the worker that takes ranges of the DAX window back (fuse)")
async def fuse_dax_free_mem_worker(sim: Simulation, task: Task, call: Call) -> Result:
    if sim.kernel.fuse_conn is None:
        return -EOPNOTSUPP
    return await sim.kernel.fuse_dax.fuse_dax_free_mem_worker()
