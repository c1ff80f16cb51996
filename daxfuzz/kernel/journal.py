"""The journal of ext4, as a lock, and the log of xfs, which is less (fs/jbd2, fs/xfs/xfs_log_cil.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Lock, Point, Shared, Task

if TYPE_CHECKING:
    from daxfuzz.kernel.block import BlockAllocator
    from daxfuzz.kernel.super import SuperBlock
    from daxfuzz.sim import World


class Updates(Shared):
    """t_updates of the running transaction: who commits, and who freezes, waits here for its handles."""

    __slots__ = ("_drain", "journal", "waiting")
    TRACKED = True

    def __init__(self, world: World, journal: Journal) -> None:
        super().__init__(world, "journal.t_updates")
        self.journal = journal
        self.waiting: list[Task] = []
        # The committer switches transactions in the step that sees the last handle gone.
        also = ((journal, Access.UPDATE), (journal.allocator, Access.UPDATE))
        self._drain = self.point(Access.UPDATE, "wait_updates", *also)

    @types.coroutine
    def drain(self) -> Generator[Point, None, None]:
        """Wait until no handle is open, after new ones have been barred: one step."""
        me = self.world.current
        if self.clean:
            self.touch()
        self.waiting.append(me)
        if self.journal.handles:
            self.world.block(me, self)
        yield self._drain
        self.waiting.remove(me)

    def owners(self) -> tuple[int, ...]:
        return tuple(sorted({task.index for task in self.journal.handles}))

    def state(self) -> Hashable:
        return ()

    def restore(self, state: Any) -> None:
        self.waiting.clear()


class Journal(Lock):
    """journal_t: handles join the running transaction; a commit waits for them, and bars new ones meanwhile.

    xfs opens no handles. What its transactions change joins the running checkpoint (CIL) when they commit, all at once,
    and a log force is a commit that waits for nobody.

    Known deviations: the task that needs a commit makes it itself, where jbd2 has a thread; nothing depends on which
    of the two waits. Nothing commits by itself (jbd2: after 5 seconds). Space in the log never runs out. An inode has
    one transaction id, since time stamps, which make i_sync_tid and i_datasync_tid differ, are not modelled.

    running: id of the transaction that handles join (t_tid); there is one as soon as somebody asks.
    committed: id of the last one that is durable.
    locked: the running one is being closed (T_LOCKED): new handles wait.
    freezer: the task that bars new handles while it freezes the file system (j_barrier_count).
    handles: who has a handle open, once for each level of nesting.
    committer: the task that commits.
    tids: per inode the last transaction that changed it.
    on_start: observer, called in the step in which a task that has none opens a handle.
    """

    __slots__ = (
        "_begin",
        "_end",
        "_log",
        "_look",
        "_mark",
        "allocator",
        "committed",
        "committer",
        "freezer",
        "handles",
        "inodes",
        "locked",
        "on_start",
        "running",
        "sb",
        "tids",
        "updates",
        "waiting",
    )

    # Transaction ids move on also while nobody holds it.
    TRACKED = False

    def __init__(self, world: World, inodes: int, sb: SuperBlock, allocator: BlockAllocator) -> None:
        super().__init__(world, "journal", "jbd2_handle")
        self.sb = sb
        self.allocator = allocator
        self.inodes = inodes
        self.on_start: Callable[[], None] | None = None
        self.updates = Updates(world, self)
        # Whoever waits for the last handle bars new ones first, so that handles of different tasks commute, and all
        # that join a transaction find the same one.
        self._acquire = self.point(Access.ADD, "lock")
        self._release = self.point(Access.ADD, "unlock", (self.updates, Access.ADD))
        self._begin = self.point(Access.UPDATE, "commit")
        self._end = self.point(Access.UPDATE, "commit_done", (allocator, Access.UPDATE))
        self._look = self.point(Access.READ, "committed")
        self._mark = self.point(Access.ADD, "join")
        self._log = self.point(Access.WRITE, "log", (allocator, Access.UPDATE))
        self._reset()

    def _reset(self) -> None:
        self.running = 1
        self.committed = 0
        self.locked = False
        self.freezer: Task | None = None
        self.handles: list[Task] = []
        self.waiting: list[Task] = []
        self.committer: Task | None = None
        self.tids = [0] * self.inodes

    # -- handles -------------------------------------------------------------------------------------------------

    def has_handle(self) -> bool:
        """journal_current_handle: the task's own, so no step."""
        return self.world.current in self.handles

    @types.coroutine
    def start(self) -> Generator[Point, None, None]:
        """jbd2_journal_start, not interruptible: one step; none for a task that has a handle already."""
        world = self.world
        me = world.current
        if me in self.handles:
            self.handles.append(me)
            return
        if (me.atomic or me.irq_depth) and self.on_sleep is not None:
            self.on_sleep(self, me)
        barred = self.locked or self.freezer is not None
        if barred or not world.goes_on(self._acquire):
            if barred:
                world.block(me, self)
            self.waiting.append(me)
            yield self._acquire
            self.waiting.remove(me)
        self.handles.append(me)
        held = me.held
        if held and (held[-1] not in self.outer or me.subclasses):
            self._nest(me, 0)
        else:
            held.append(self)
        if self.on_start is not None:
            self.on_start()

    @types.coroutine
    def stop(self) -> Generator[Point, None, None]:
        """jbd2_journal_stop: one step; none for a nested handle. The last one lets a commit go on."""
        world = self.world
        me = world.current
        if self.handles.count(me) > 1:
            self.handles.remove(me)
            return
        if not world.goes_on(self._release):
            yield self._release
        self.handles.remove(me)
        if not self.handles:
            for waiter in self.updates.waiting:
                self.world.enable(waiter)
        held = me.held
        if held[-1] is self and not me.subclasses:
            held.pop()
        else:
            self._forget(me)
        if self.on_release is not None:
            self.on_release(self, me)

    @types.coroutine
    def update_inode(self, number: int) -> Generator[Point, None, None]:
        """ext4_mark_inode_dirty and ext4_update_inode_fsync_trans: the running transaction changes the inode."""
        if not self.world.goes_on(self._mark):
            yield self._mark
        self.tids[number] = self.running

    @types.coroutine
    def log_commit(self, number: int) -> Generator[Point, None, None]:
        """xlog_cil_commit: the checkpoint gets what a transaction has changed of an inode, and pins it."""
        if not self.world.goes_on(self._log):
            yield self._log
        self.tids[number] = self.running
        self.allocator.commit_freed()
        if self.sb.on_logged is not None:
            self.sb.on_logged(number)

    # -- commits -------------------------------------------------------------------------------------------------

    @types.coroutine
    def datasync_dirty(self, number: int) -> Generator[Point, None, bool]:
        """ext4_inode_datasync_dirty: whether the inode's last change is not durable yet."""
        if not self.world.goes_on(self._look):
            yield self._look
        dirty = self.tids[number] > self.committed
        self.log.append(dirty)
        return dirty

    async def complete(self, number: int) -> None:
        """jbd2_complete_transaction of an inode's last change; one step if that is durable."""
        tid = 0
        while True:
            tid, mine = await self._start_commit(number, tid)
            if mine:
                await self._commit()
            elif not tid:
                return

    async def force_commit(self) -> None:
        """jbd2_journal_force_commit: whatever has been changed so far."""
        await self.complete(-1)

    @types.coroutine
    def _start_commit(self, number: int, tid: int) -> Generator[Point, None, tuple[int, bool]]:
        """Start to commit a transaction, or wait for who commits: its id or 0 when it is durable, and whether we do it.

        tid: the transaction, or 0 for the last one that changed the inode, or anything if `number` is -1.
        """
        me = self.world.current
        if tid and self.committer is not None:
            self.waiting.append(me)
            self.world.block(me, self)
            yield self._begin
            self.waiting.remove(me)
        else:
            yield self._begin
        self._refuse_own(me)
        if not tid:
            tid = self.tids[number] if number >= 0 else max(self.tids)
        mine = False
        if tid <= self.committed:
            tid = 0
        elif self.committer is None:
            mine = self.locked = True
            self.committer = me
            for waiter in self.waiting:
                self.world.block(waiter, self)
        self.log.append((tid, mine))
        return tid, mine

    async def _commit(self) -> None:
        """jbd2_journal_commit_transaction"""
        await self.updates.drain()
        self._switch()
        await self._write()

    def _switch(self) -> None:
        """The transaction takes no more changes, and a new one may start; in the step that saw the last handle go."""
        self.running += 1
        self.locked = False
        self.allocator.seal_freed()
        if self.sb.on_sealed is not None:
            self.sb.on_sealed()
        self._admit()

    @types.coroutine
    def _write(self) -> Generator[Point, None, None]:
        """Log and commit record are on the device; freed blocks go back to the allocator."""
        yield self._end
        self.committed = self.running - 1
        self.committer = None
        self.allocator.reuse()
        if self.sb.on_durable is not None:
            self.sb.on_durable()
        self._admit()

    def _admit(self) -> None:
        """Let those go on who wait for what has just happened."""
        for waiter in self.waiting:
            point = waiter.point
            may = self.committer is None if point is self._begin else not self.locked and self.freezer is None
            if may:
                self.world.enable(waiter)

    # -- freezing ------------------------------------------------------------------------------------------------

    @types.coroutine
    def lock_updates(self) -> Generator[Point, None, None]:
        """jbd2_journal_lock_updates: bar new handles; who calls it then waits until the others are closed."""
        yield self._begin
        self.freezer = self.world.current
        for waiter in self.waiting:
            if waiter.point is not self._begin:
                self.world.block(waiter, self)

    @types.coroutine
    def unlock_updates(self) -> Generator[Point, None, None]:
        """jbd2_journal_unlock_updates"""
        yield self._end
        self.freezer = None
        self._admit()

    def held_exclusively(self) -> bool:
        return False

    def owners(self) -> tuple[int, ...]:
        owner = self.committer or self.freezer
        return () if owner is None else (owner.index,)

    def state(self) -> Hashable:
        return (
            self.running,
            self.committed,
            self.locked,
            -1 if self.freezer is None else self.freezer.index,
            # How deep its own are nested is a task's own affair, and changes with no step.
            tuple(sorted({task.index for task in self.handles})),
            -1 if self.committer is None else self.committer.index,
            tuple(self.tids),
        )

    def restore(self, state: Any) -> None:
        self._reset()
