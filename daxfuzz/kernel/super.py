"""The super block (include/linux/fs.h, v6.0), as far as freezing needs it."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from daxfuzz.sim import Cell, GuardedCell, PercpuRwSemaphore, RwSemaphore

if TYPE_CHECKING:
    from daxfuzz.sim import World


class Frozen(IntEnum):
    """sb->s_writers.frozen"""

    UNFROZEN = 0
    WRITE = 1
    PAGEFAULT = 2
    FS = 3
    COMPLETE = 4
    KERNEL = 5
    """COMPLETE, and held by the kernel (FREEZE_HOLDER_KERNEL, since v6.6)."""


class SuperBlock:
    """The one file system there is.

    writers: sb_start_write; held through every system call that changes the file system.
    pagefault: sb_start_pagefault; held through every write fault.
    intwrite: sb_start_intwrite; held by changes that come from inside the file system.
    shutdown: nothing is written any more; of xfs, where its device goes, since v6.8.
    world: where its locks are.
    on_logged: called in the step in which a transaction commits, with the number of the inode that it has changed; only
    where what becomes durable is what was committed, and not all there is (xfs).
    on_sealed: called in the step in which a transaction takes no more changes: what it will make durable is known.
    on_durable: called in the step in which that has become durable.
    """

    __slots__ = (
        "frozen",
        "intwrite",
        "on_durable",
        "on_logged",
        "on_sealed",
        "pagefault",
        "s_umount",
        "shutdown",
        "world",
        "writers",
    )

    def __init__(self, world: World) -> None:
        self.world = world
        self.s_umount = RwSemaphore(world, "sb.s_umount", "s_umount")
        self.writers = PercpuRwSemaphore(world, "sb.writers", "sb_writers")
        self.pagefault = PercpuRwSemaphore(world, "sb.pagefault", "sb_pagefaults")
        self.intwrite = PercpuRwSemaphore(world, "sb.intwrite", "sb_internal")
        self.frozen: GuardedCell[Frozen] = GuardedCell(world, "sb.frozen", Frozen.UNFROZEN)
        self.shutdown = Cell(world, "sb.shutdown", False)
        self.on_logged: Callable[[int], None] | None = None
        self.on_sealed: Callable[[], None] | None = None
        self.on_durable: Callable[[], None] | None = None
