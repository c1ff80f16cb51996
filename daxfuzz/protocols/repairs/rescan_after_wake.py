"""F-15: who waits for a busy page goes on waiting after the file has lost it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import TaskState, wait_var_event


class FixRescanAfterWake(Repair):
    """End the wait for a busy page with the first wake, and let the caller search the file again.

    The wait (v6.0 to v6.19) has a bare page and no lock: between the wake and the look at the count the page may become
    that of another file. Truncate on virtio-fs sleeps on a pinned page, without invalidate_lock; the page becomes idle,
    and before truncate runs, the worker takes the range back and another file gets it, whose page is pinned for long.
    Truncate goes back to sleep, although its own file has no busy page any more. Every page that becomes idle wakes, so
    that nobody who sleeps on one misses that. Nothing upstream.
    """

    flaw = "F-15"

    class dax(Dax):
        async def wait_page_idle(self, page: Page, drop_locks: Callable[[int], Awaitable[None]]) -> int:
            address = self.idle_address(page)
            slept = False

            async def sleep() -> None:
                nonlocal slept
                await drop_locks(address)
                slept = True

            async def over() -> bool:
                return await self.wait_is_over(page) or slept

            return await wait_var_event(self.k.var_waitqueues, address, over, TaskState.INTERRUPTIBLE, sleep)
