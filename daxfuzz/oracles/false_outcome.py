"""Calls that say one thing and have done another."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.errno import EBUSY, EFBIG, EINVAL
from daxfuzz.kernel.inode import block_of, mapped_block
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


NEVER_BUSY = ("fallocate", "fsync", "fuse_dax_free_mem_worker", "open", "pwrite", "truncate", "write")
"""Calls that do not know -EBUSY."""
LOGGED = ("dedupe", "fallocate", "fsync", "pwrite", "reflink", "truncate", "write")
"""Calls that look whether the file system is shut down, or begin with a transaction, which does."""


class Span:
    """What a file was while a call was under way. sizes: all that it had.

    empty, full: per page, whether it had no data, and whether it had a block, at some time.
    """

    def __init__(self, inode: Inode) -> None:
        self.inode = inode
        self.sizes = [inode.i_size.value]
        self.empty = [False] * len(inode.extents)
        self.full = [False] * len(inode.extents)
        self.look()

    def memory(self) -> tuple[tuple[int, ...], tuple[bool, ...], tuple[bool, ...]]:
        """All of that, as data."""
        return tuple(sorted(self.sizes)), tuple(self.empty), tuple(self.full)

    def look(self) -> None:
        """Note what it is now."""
        if self.inode.i_size.value not in self.sizes:
            self.sizes.append(self.inode.i_size.value)
        for index, extent in enumerate(self.inode.extents):
            self.empty[index] |= mapped_block(extent.value) is None
            self.full[index] |= block_of(extent.value) is not None


class FalseOutcome(Oracle):
    """fallocate(2) does what its manual page says, or gives a reason that holds at some time during the call.

    What it has done must have been so at some time before it returns: others may undo it. And nobody who changes a file
    or takes a range of it back finds it busy (-EBUSY): who waits for pages locks out who may use them again. What has
    begun after xfs was shut down fails (xfs_is_shutdown and xfs_trans_alloc, v6.8 to v6.19). Of virtio-fs the blocks
    are not judged, which are the host's.
    """

    kinds = ("false-outcome",)

    def attach(self) -> None:
        if self.kernel.fs.char_device:
            return
        self.sim.on_end.append(self.ended, NEVER_BUSY)
        self.sim.on_begin.append(self.began_to_change, LOGGED)
        self.sim.on_end.append(self.changed, LOGGED)
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not any(call.name == "fallocate" for call in calls):
            return
        self.sim.on_begin.append(self.began, ("fallocate",))
        self.sim.on_end.append(self.allocated, ("fallocate",))
        for inode in self.kernel.inodes.values():
            for cell in (inode.i_size, *inode.extents):
                listen(cell, "watch", self.watcher(inode))

    def reset(self) -> None:
        self.spans: dict[int, Span] = {}
        # Tasks whose call has begun after the shutdown.
        self.late: list[int] = []

    def memory(self) -> Hashable:
        return tuple(sorted((index, span.memory()) for index, span in self.spans.items())), tuple(sorted(self.late))

    def watcher(self, inode: Inode) -> Callable[[Any, Any], None]:
        """Follows a file for the calls under way."""

        def changed(old: object, new: object) -> None:
            for span in self.spans.values():
                if span.inode is inode:
                    span.look()

        return changed

    def began(self, task: Task, call: Call) -> None:
        self.spans[task.index] = Span(self.sim.inode(call))

    def began_to_change(self, task: Task, call: Call) -> None:
        if self.kernel.sb.shutdown.value:
            self.late.append(task.index)

    def changed(self, task: Task, call: Call, result: Result) -> None:
        if task.index in self.late:
            self.late.remove(task.index)
            if isinstance(result, int) and result >= 0:
                self.wrong(task, call, f"{result}, and the file system is shut down")

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if result == -EBUSY:
            self.wrong(task, call, "-EBUSY")

    def allocated(self, task: Task, call: Call, result: Result) -> None:
        span = self.spans.pop(task.index)
        if self.kernel.q_usage.dying or not isinstance(result, int):
            return
        mode, first, length = str(call.arguments[1]), int(call.arguments[2]), int(call.arguments[3])
        if mode in ("COLLAPSE_RANGE", "INSERT_RANGE"):
            if result in (0, -EINVAL, -EFBIG) and not self.may_shift(span, mode, first, length, result):
                self.wrong(task, call, {0: "0", -EINVAL: "-EINVAL", -EFBIG: "-EFBIG"}[result])
        elif result == 0 and not self.has_done(span, mode, first, length):
            self.wrong(task, call, "0")

    def may_shift(self, span: Span, mode: str, first: int, length: int, result: int) -> bool:
        """Whether a call that moves what is in a file may end like that."""
        if mode == "COLLAPSE_RANGE":
            fits = [first + length < size for size in span.sizes]
            return any(fits) if result == 0 else result == -EINVAL and not all(fits)
        room = len(span.inode.extents)
        if result == 0:
            return any(first < size and size + length <= room for size in span.sizes)
        # What was allocated beyond the end may be too far behind it to be moved.
        if any(span.full[max(room - length, 0) :]):
            return True
        if result == -EFBIG:
            return any(size + length > room for size in span.sizes)
        return any(first >= size for size in span.sizes)

    def has_done(self, span: Span, mode: str, first: int, length: int) -> bool:
        """Whether the rest of the modes have done what they say."""
        pages = range(first, min(first + length, len(span.inode.extents)))
        if mode in ("ALLOCATE", "ZERO_RANGE") and max(span.sizes) < first + length:
            return False
        if self.kernel.fuse_conn is not None:
            return True
        # A hole ends where the file does, on ext4.
        inside = [page for page in pages if page < min(span.sizes)]
        if mode in ("PUNCH_HOLE", "ZERO_RANGE") and not all(span.empty[page] for page in inside):
            return False
        return mode == "PUNCH_HOLE" or all(span.full[page] for page in pages)

    def wrong(self, task: Task, call: Call, result: str) -> None:
        self.fail("false-outcome", f"{call} of {task.name} returns {result}", channel=call.name)
