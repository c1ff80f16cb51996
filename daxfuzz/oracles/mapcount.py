"""Conservation of map counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.oracles.lookup import head_of, leaves
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page


class Mapcount(Oracle):
    """Where page-table entries hold references, a folio's map count is the number of entries that map it.

    Each step: never below 0, and never above the reference count, or a page in use would look idle. At rest: exact.
    """

    kinds = ("mapcount-mismatch",)

    def attach(self) -> None:
        if not self.kernel.memory.pte_references():
            return
        for page in self.kernel.pages:
            listen(page.mapcount, "watch", self.watcher(page))
            listen(page.refcount, "watch", self.watcher(page))
        self.world.on_end.append(self.at_rest)

    def watcher(self, page: Page) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            mapcount = page.mapcount.value
            if not 0 <= mapcount <= page.refcount.value:
                self.fail(
                    "mapcount-mismatch",
                    f"page {page.pfn} is mapped {mapcount} times, and has {page.refcount.value} references",
                )

        return changed

    def at_rest(self) -> None:
        if self.sim.stuck():
            return
        entries = [0] * len(self.kernel.pages)
        for mm in self.kernel.mms:
            for pte in leaves(mm):
                if not pte.zero:
                    entries[head_of(self.kernel.pages[pte.pfn]).pfn] += 1
        for page in self.kernel.pages:
            if not page.freed and page.mapcount.value != entries[page.pfn]:
                raise Violation(
                    "mapcount-mismatch",
                    f"page {page.pfn} has a map count of {page.mapcount.value}, and {entries[page.pfn]} entries map it",
                )
