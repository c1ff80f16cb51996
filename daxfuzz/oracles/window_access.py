"""Writes through what the host has mapped for reading only."""

from __future__ import annotations

from collections.abc import Callable

from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.oracles.oracle import Oracle, listen


class WindowAccess(Oracle):
    """Where a page of a virtio-fs window is mapped for writing, the server has mapped it for writing, too."""

    kinds = ("read-only-window",)

    def attach(self) -> None:
        conn = self.kernel.fuse_conn
        if conn is None:
            return
        self.window = conn.window
        self.range_pages = conn.range_pages
        for mm in self.kernel.mms:
            for slot in (*mm.slots.values(), *mm.pmds.values()):
                listen(slot, "watch", self.watcher(mm.name))

    def watcher(self, name: str) -> Callable[[Pmd, Pmd], None]:
        def stored(old: Pmd, new: Pmd) -> None:
            if not isinstance(new, Pte) or not new.write or new.zero:
                return
            number = new.pfn // self.range_pages
            view = self.window[number].value if number < len(self.window) else None
            if view is not None and not view.writable:
                self.fail("read-only-window", f"{name} maps page {new.pfn} for writing, which the host has read-only")

        return stored
