"""fs/dax: Don't skip locked entries when scanning entries (6be3e21d25ca, v6.15)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import TaskState, WaitEntry


class DontSkipLockedEntries(Patch):
    """fs/dax: Don't skip locked entries when scanning entries (6be3e21d25ca, v6.15).

    A walk waits for a locked entry. As it was merged, it pauses the walk for that, which moves it on to the next
    index: what it looks at afterwards is another entry (F-08b).
    """

    adds: ClassVar = {"dax": ("wait_entry_unlocked_exclusive", "restart_walk")}

    class dax(Dax):
        async def wait_scanned_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> Entry | None:
            return await self.wait_entry_unlocked_exclusive(mapping, xas, entry)

        async def wait_entry_unlocked_exclusive(
            self, mapping: AddressSpace, xas: XaState, entry: Entry | None
        ) -> Entry | None:
            """Wait until the entry that a walk stands on is unlocked (fs/dax.c, v6.19); None if it is gone then.

            xa_lock is held, but dropped while asleep.
            """
            waiter: WaitEntry | None = None
            while entry is not None and entry.locked:
                queue, key = self.dax_entry_waitqueue(mapping, xas.index, entry)
                if waiter is None:
                    waiter = WaitEntry(self.k.world.current, key, exclusive=True)
                waiter.key = key
                await queue.prepare_to_wait(waiter, TaskState.UNINTERRUPTIBLE)
                self.restart_walk(xas)
                await mapping.i_pages.lock.release()
                await queue.schedule()
                await queue.finish_wait(waiter)
                await mapping.i_pages.lock.acquire()
                entry = await xas.load()
                if entry is not None:
                    # The walk goes on behind the slot, however many indices that covers.
                    size = entry.size(self.k.machine)
                    xas.end = xas.index - xas.index % size + size
            return entry

        def restart_walk(self, xas: XaState) -> None:
            """What becomes of a walk that sleeps in wait_entry_unlocked_exclusive (fs/dax.c, v6.19)."""
            xas.pause()
