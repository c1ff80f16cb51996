"""Calls that say what is not so."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOMEM, ENXIO
from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Signal, Violation

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

    Reason = Callable[["WrongResult", Task, Call], bool]
    """Whether there is a reason for an error now."""


class WrongResult(Oracle):
    """A call that fails had a reason for that; madvise(MADV_DONTNEED) that does not has unmapped all.

    Where a reason may have come and gone while the call ran, nothing is asked of it.

    Of errors those are judged that have one reason: a descriptor that is not open, a file without a name, a VMA that is
    there or is not, a pipe that is full or empty, a lease, a freeze, a device or driver that is gone, no memory. Leases
    that calls have taken and not given back are there at rest.
    """

    kinds = ("wrong-result",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        self.judged = any(call.name in REASONS for call in calls)
        if not self.judged:
            return
        kernel = self.kernel
        for cell in (*(mm.vmas for mm in kernel.mms), kernel.pipe.bufs, kernel.sb.frozen):
            listen(cell, "watch", self.changed)
        listen(kernel.free_list, "on_free", self.changed)
        # Who is warned of fails for that: try_grab_page gives nothing of a page that is free.
        listen(kernel, "on_warn", self.changed)
        for inode in kernel.inodes.values():
            listen(inode.layout_leases, "watch", self.changed)
        if any("MADV_DONTNEED" in call.arguments for call in calls):
            for mm in kernel.mms:
                for entry in (*mm.slots.values(), *mm.pmds.values(), *mm.puds.values()):
                    listen(entry, "watch", self.remapped)
        self.sim.on_begin.append(self.began, frozenset(REASONS))
        self.sim.on_end.append(self.ended, frozenset(REASONS))
        self.world.on_end.append(self.at_rest)

    def reset(self) -> None:
        # How often a reason may have come or gone, now and when the call of a task began.
        self.changes = 0
        self.begin: dict[int, int] = {}
        # By task: what was mapped when its madvise began, and has been all the time.
        self.left: dict[int, list[int]] = {}
        self.leases: dict[str, int] = {}

    def memory(self) -> Hashable:
        quiet = tuple(sorted((task, begin == self.changes) for task, begin in self.begin.items()))
        left = tuple(sorted((task, tuple(addresses)) for task, addresses in self.left.items()))
        return quiet, left, tuple(sorted(self.leases.items()))

    def began(self, task: Task, call: Call) -> None:
        self.begin[task.index] = self.changes
        if "MADV_DONTNEED" in call.arguments:
            self.left[task.index] = [address for address in self.range_of(task, call) if self.maps(task, address)]

    def changed(self, *_: object) -> None:
        self.changes += 1

    def remapped(self, *_: object) -> None:
        for index, left in self.left.items():
            if left:
                task = self.world.tasks[index]
                left[:] = [address for address in left if self.maps(task, address)]

    def range_of(self, task: Task, call: Call) -> Iterator[int]:
        """The addresses that a madvise names, as far as they are mapped."""
        first, length = self.sim.inode(call).number, int(call.arguments[3])
        start = self.kernel.addresses(first, int(call.arguments[2]))[0]
        for vma in self.kernel.mm_of[task.index].vmas.value:
            if vma.start <= start < vma.end:
                yield from range(start, min(start + length, vma.end))

    def maps(self, task: Task, address: int) -> bool:
        """Whether something is mapped at an address."""
        return mapped(self.kernel.mm_of[task.index], address) is not None

    def ended(self, task: Task, call: Call, result: Result) -> None:
        quiet = self.begin.pop(task.index) == self.changes
        left = self.left.pop(task.index, ())
        if isinstance(result, str) or result < 0:
            for error, reason in REASONS[call.name] if quiet else ():
                if error == result and not reason(self, task, call):
                    self.fail("wrong-result", f"{call} returns {result}, for which there was no reason")
            return
        if left:
            self.fail("wrong-result", f"{call} leaves what {task.name} has mapped at {left}")
        if call.name in ("lease", "unlease"):
            file = str(call.arguments[0])
            self.leases[file] = self.leases.get(file, 0) + (1 if call.name == "lease" else -1)

    def at_rest(self) -> None:
        for file, count in self.leases.items():
            left = self.kernel.inodes[file].layout_leases.value
            if not self.begin and left != count:
                raise Violation("wrong-result", f"{file} has {left} leases, of which {count} were taken")

    # -- reasons ---------------------------------------------------------------------------------------------------

    def closed(self, task: Task, call: Call) -> bool:
        numbers = [self.kernel.inodes[str(each)].number for each in call.arguments if each in self.kernel.inodes]
        return any(number not in self.kernel.mm_of[task.index].files.open for number in numbers)

    def nameless(self, task: Task, call: Call) -> bool:
        return not self.sim.inode(call).i_nlink.value

    def without_lease(self, task: Task, call: Call) -> bool:
        return not self.sim.inode(call).layout_leases.value

    def file_mapped(self, task: Task, call: Call) -> bool:
        mapping = self.sim.inode(call).i_mapping
        return any(vma.mapping is mapping for vma in self.kernel.mm_of[task.index].vmas.value)

    def unmapped(self, task: Task, call: Call) -> bool:
        return not self.file_mapped(task, call) or self.elsewhere(task, call)

    def elsewhere(self, task: Task, call: Call) -> bool:
        """The mapping is where mremap has moved it to."""
        start = self.kernel.addresses(self.sim.inode(call).number, 0)[0]
        return all(vma.start != start for vma in self.kernel.mm_of[task.index].vmas.value)

    def advice_unmapped(self, task: Task, call: Call) -> bool:
        return "MADV_DONTNEED" not in call.arguments or self.unmapped(task, call)

    def no_memory(self, task: Task, call: Call) -> bool:
        """Nothing is free, or the task gets nothing, since it is to die."""
        used = self.kernel.free_list.used
        return task.signal is Signal.FATAL or (bool(used) and all(used))

    def pipe_empty(self, task: Task, call: Call) -> bool:
        return not self.kernel.pipe.bufs.value

    def pipe_full(self, task: Task, call: Call) -> bool:
        return len(self.kernel.pipe.bufs.value) >= self.kernel.pipe.max_usage

    def frozen(self, task: Task, call: Call) -> bool:
        return self.kernel.sb.frozen.value is not Frozen.UNFROZEN

    def not_frozen(self, task: Task, call: Call) -> bool:
        return self.kernel.sb.frozen.value is not Frozen.COMPLETE

    def dead(self, task: Task, call: Call) -> bool:
        return not self.kernel.dax_alive.value or self.kernel.pgmap.ref.dying

    def unbound(self, task: Task, call: Call) -> bool:
        return not self.kernel.device_bound.value


CLOSED = (-EBADF, WrongResult.closed)
MEMORY = (-ENOMEM, WrongResult.no_memory)
ACCESS = (("SIGSEGV", WrongResult.unmapped), ("SIGKILL", WrongResult.no_memory))

REASONS: dict[str, tuple[tuple[Result, Reason], ...]] = {
    "close": (CLOSED,),
    "fallocate": (CLOSED,),
    "freeze": ((-EBUSY, WrongResult.frozen),),
    "fsync": (CLOSED,),
    "get_user_pages": (MEMORY,),
    "get_user_pages_fast": (MEMORY,),
    "lease": ((-ENOENT, WrongResult.nameless),),
    "load": ACCESS,
    "madvise": ((-ENOMEM, WrongResult.advice_unmapped), (-ENXIO, WrongResult.dead)),
    "memory_failure": ((-ENXIO, WrongResult.dead),),
    "mmap": (CLOSED, (-EEXIST, WrongResult.file_mapped)),
    "open": ((-ENOENT, WrongResult.nameless),),
    "pin_user_pages": (MEMORY,),
    "pin_user_pages_fast": (MEMORY,),
    "pipe_read": ((-EAGAIN, WrongResult.pipe_empty),),
    "pwrite": (CLOSED,),
    "store": ACCESS,
    "thaw": ((-EINVAL, WrongResult.not_frozen),),
    "truncate": (CLOSED,),
    "unbind": ((-ENODEV, WrongResult.unbound),),
    "unlease": ((-EINVAL, WrongResult.without_lease),),
    "unlink": ((-ENOENT, WrongResult.nameless),),
    "vmsplice": ((-EAGAIN, WrongResult.pipe_full),),
    "write": (CLOSED,),
}
"""By the name of a call: errors that have one reason each."""
