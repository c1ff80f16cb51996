"""use-after-free, which sim reports at the access."""

from __future__ import annotations

from collections.abc import Sequence

from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

KEEPER = {"getter": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"]}
PINNER = program({"pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "syncer": ["fsync(file0)"]})
UNBIND = {"unbinder": ["unbind()"]}


class UnbindInPut(Patch):
    """gup: Give the page map up in the middle of a release."""

    class gup(Gup):
        async def unpin_user_pages(self, pages: Sequence[Page]) -> None:
            await super().unpin_user_pages(pages)
            await self.k.memremap.arch_remove_memory()
            await pages[0].refcount.read()


def test_a_page_that_is_used_after_its_page_map_went_away_is_a_finding() -> None:
    violation = trip(simulate(program(KEEPER | UNBIND), protocol="refcount-1", oracles=[]), "use-after-free")
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
    sim = simulate(program(UNBIND), protocol="refcount-1")
    (execution,) = executions(sim, simple=1, random=0)
    assert execution.violation is None
    assert all(page.freed for page in sim.kernel.pages)


def test_nothing_is_freed_that_is_still_used() -> None:
    for of in (program(KEEPER | UNBIND), PINNER):
        assert_silent(simulate(of))
