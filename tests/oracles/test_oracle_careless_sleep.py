"""careless-sleep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.page import Page
from daxfuzz.oracles.careless_sleep import CarelessSleep
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import TaskState, WaitEntry

PIN = ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"]
BREAK = program({"pinner": PIN, "truncator": ["truncate(file0, 0)"]})
SYNC = program({"syncer": ["fsync(file0)"], "mapper": ["store(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
LEASE = program({"leaser": ["lease(file0)", "unlease(file0)"], "truncator": ["truncate(file0, 0)"]})

RANGES = program(
    {"pinner": ["r0 = pin_user_pages_fast(file0, 0)"], "mapper": ["store(file1, 0)"]},
    files={"file0": 1, "file1": 1},
    window_ranges=1,
    prefault=False,
)


class LookFirst(Patch):
    """dax: Look whether a page is idle before the wait for it is queued, and sleep."""

    class dax(Dax):
        async def wait_page_idle(self, page: Page, drop_locks: Callable[[int], Awaitable[None]]) -> int:
            queue = self.k.var_waitqueues.bucket(self.idle_address(page))
            entry = WaitEntry(self.k.world.current, self.idle_address(page))
            while not await self.wait_is_over(page):
                await queue.prepare_to_wait(entry, TaskState.UNINTERRUPTIBLE)
                await queue.schedule()
            await queue.finish_wait(entry)
            return 0


class KeepLock(Patch):
    """ext4: Keep invalidate_lock while a page is waited for."""

    class ext4(Ext4):
        async def ext4_wait_dax_page(self, inode: Inode, address: int) -> None:
            await self.k.var_waitqueues.bucket(address).schedule()


@pytest.mark.parametrize(("patch", "said"), [(LookFirst, "has not looked since it is queued"), (KeepLock, "and holds")])
def test_a_sleep_that_may_never_end_is_a_finding(patch: type[Patch], said: str) -> None:
    sim = simulate(BREAK, patch, protocol="refcount-1", oracles=[CarelessSleep])
    assert said in trip(sim, "careless-sleep").message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
@pytest.mark.parametrize("of", [BREAK, SYNC, LEASE])
def test_the_kernel_sleeps_with_care(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))


def test_who_waits_for_a_range_lets_go_of_what_its_users_need() -> None:
    sim = simulate(RANGES, protocol="refcount-1", filesystem="fuse", oracles=[CarelessSleep])
    assert "sleeps until a range is free, and holds mm1.mmap_lock" in trip(sim, "careless-sleep").message
    fixed = simulate(RANGES, protocol="refcount-1-fixed", filesystem="fuse", oracles=[CarelessSleep])
    assert_silent(fixed)
