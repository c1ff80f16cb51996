"""System calls on files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.fs.filesystem import Falloc
from daxfuzz.kernel.mm import VMA_PAGES
from daxfuzz.program.operations.memory import access
from daxfuzz.program.operations.operation import (
    DESCRIPTOR,
    FILE,
    LENGTH,
    OFFSET,
    PAGE,
    Result,
    operation,
    parameter,
    with_file,
)
from daxfuzz.program.signature import Kind

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


@operation("ftruncate(2)", DESCRIPTOR, parameter("size", Kind.SIZE))
def truncate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return with_file(sim, task, call, lambda inode: sim.kernel.fs.do_truncate(inode, int(call.arguments[1])))


@operation("fallocate(2)", DESCRIPTOR, parameter("mode", Kind.FLAG, *(str(mode) for mode in Falloc)), OFFSET, LENGTH)
def fallocate(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    _, mode, first, length = call.arguments
    fs = sim.kernel.fs
    return with_file(sim, task, call, lambda inode: fs.do_fallocate(inode, Falloc(str(mode)), int(first), int(length)))


@operation("fsync(2)", DESCRIPTOR)
def fsync(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return with_file(sim, task, call, sim.kernel.fs.fsync)


@operation("write(2) of one page, with O_DIRECT or without", DESCRIPTOR, OFFSET)
def write(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    value = sim.unique_value(task)
    return with_file(sim, task, call, lambda inode: sim.kernel.fs.do_write(inode, int(call.arguments[1]), value))


@operation("pwrite(2) of one page from memory that maps a file", DESCRIPTOR, OFFSET, FILE, PAGE)
def pwrite(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    # What is written is a value of its own, so that readers can tell it from the buffer's.
    value = sim.unique_value(task)
    address = sim.kernel.inodes[str(call.arguments[2])].number * VMA_PAGES + int(call.arguments[3])

    async def copy_from_user(nofault: bool) -> bool:
        return isinstance(await access(sim, task, address, None, nofault), int)

    return with_file(
        sim, task, call, lambda inode: sim.kernel.fs.do_write(inode, int(call.arguments[1]), value, copy_from_user)
    )


@operation("close(2)", DESCRIPTOR)
def close(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.do_close(sim.kernel.mm_of[task.index], sim.inode(call))


@operation("unlink(2) of the file's only name", FILE)
def unlink(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.do_unlinkat(sim.inode(call))


@operation("freeze the file system, ioctl(FIFREEZE)")
def freeze(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.ioctl_fsfreeze()


@operation("thaw the file system, ioctl(FITHAW)")
def thaw(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.thaw_super()


@operation("write 1 to /proc/sys/vm/drop_caches")
def drop_caches(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.drop_caches()


@operation("take a lease of the file's layout, as the NFS server does for a client (FL_LAYOUT)", FILE)
def lease(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.take_lease(sim.inode(call))


@operation("give a lease of the file's layout back", FILE)
def unlease(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.vfs.return_lease(sim.inode(call))


@operation("as the worker of xfs, wait for a file that is gone and free its blocks")
def inodegc(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return sim.kernel.fs.inodegc()


Remap = Callable[["Inode", int, "Inode", int, int], Awaitable[Result]]


def _with_files(sim: Simulation, task: Task, call: Call, remap: Remap) -> Awaitable[Result]:
    """Both descriptors are held as long as the call lasts."""
    _, first, _, to, length = call.arguments

    def from_source(source: Inode) -> Awaitable[Result]:
        return with_file(sim, task, call, lambda dest: remap(source, int(first), dest, int(to), int(length)), 2)

    return with_file(sim, task, call, from_source)


@operation(
    "ioctl(FICLONERANGE): pages of a file share the blocks of another", DESCRIPTOR, OFFSET, DESCRIPTOR, OFFSET, LENGTH
)
def reflink(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _with_files(sim, task, call, sim.kernel.fs.ioctl_file_clone)


@operation(
    "ioctl(FIDEDUPERANGE): the same if the contents are the same", DESCRIPTOR, OFFSET, DESCRIPTOR, OFFSET, LENGTH
)
def dedupe(sim: Simulation, task: Task, call: Call) -> Awaitable[Result]:
    return _with_files(sim, task, call, sim.kernel.fs.ioctl_file_dedupe_range)
