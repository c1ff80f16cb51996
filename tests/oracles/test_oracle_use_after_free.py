"""use-after-free, which sim reports at the access."""

from __future__ import annotations

from collections.abc import Sequence

from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

KEEPER = program({"getter": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"], "syncer": ["fsync(file0)"]})
PINNER = program({"pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "syncer": ["fsync(file0)"]})


class UnbindInSync(Patch):
    """ext4: fsync removes the device."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await self.k.memremap.memunmap_pages(self.k.pgmap)
            return 0


class UnbindInPut(Patch):
    """gup: Give the page map up in the middle of a release."""

    class gup(Gup):
        async def unpin_user_pages(self, pages: Sequence[Page]) -> None:
            await super().unpin_user_pages(pages)
            self.k.memremap.arch_remove_memory()
            await pages[0].refcount.read()


def test_a_page_that_is_used_after_its_page_map_went_away_is_a_finding() -> None:
    violation = trip(simulate(KEEPER, UnbindInSync, oracles=[]), "use-after-free")
    assert violation.tasks == ("getter",)
    assert "after it was freed" in violation.message


def test_the_finding_names_the_function_that_touches_what_is_gone() -> None:
    violation = trip(simulate(PINNER, UnbindInPut), "use-after-free", simple=1, random=0)
    assert violation.function == "unpin_user_pages"
    assert violation.message == "pinner touches page0.refcount after it was freed"


def test_the_next_execution_finds_everything_alive_again() -> None:
    sim = simulate(PINNER, UnbindInPut)
    assert [trip(sim, "use-after-free", simple=1, random=0).message for _ in range(2)] == [
        "pinner touches page0.refcount after it was freed"
    ] * 2


def test_oracles_do_not_touch_what_is_gone() -> None:
    alone = program({"syncer": ["fsync(file0)"]})
    (execution,) = executions(simulate(alone, UnbindInSync), simple=1, random=0)
    assert execution.violation is None


def test_nothing_is_freed_that_is_still_used() -> None:
    for of in (KEEPER, PINNER):
        assert_silent(simulate(of))
