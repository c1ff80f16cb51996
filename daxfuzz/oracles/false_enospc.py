"""Calls that find no space where there is some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import ENOSPC
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from collections.abc import Hashable

    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

ALLOCATES = ("write", "pwrite", "fallocate", "truncate", "reflink", "dedupe")
"""Calls that may return -ENOSPC."""


class FalseEnospc(Oracle):
    """-ENOSPC is returned only if at some moment of the call no block could be allocated.

    A block that was freed by a transaction which is not durable yet cannot be; nothing is kept in reserve here. Not
    judged are virtio-fs, whose server has the blocks, and calls at whose end there is no disk any more.
    """

    kinds = ("false-enospc",)

    def reset(self) -> None:
        # Tasks in whose present call somebody has found no block, or taken the last one.
        self.full: set[int] = set()

    def memory(self) -> Hashable:
        return tuple(sorted(self.full))

    def attach(self) -> None:
        if self.kernel.fuse_conn is not None or self.kernel.fs.char_device:
            return
        listen(self.kernel.allocator, "on_allocate", self.allocated)
        self.sim.on_begin.append(self.began, ALLOCATES)
        self.sim.on_end.append(self.ended, ALLOCATES)

    def began(self, task: Task, call: Call) -> None:
        self.full.discard(task.index)

    def allocated(self) -> None:
        if not self.kernel.allocator.find(1):
            self.full.update(range(len(self.world.tasks)))

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if result == -ENOSPC and task.index not in self.full and not self.kernel.q_usage.dying:
            free = self.kernel.allocator.find(1).start
            self.fail("false-enospc", f"{call} returns -ENOSPC, and blocks have been free all the time, as {free} is")
