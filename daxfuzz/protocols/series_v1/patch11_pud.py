"""Patch 11 of the series, on top of v6.0: PUD entries."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import EMPTY, Entry
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch


class AddPudSupport(Patch):
    """devdax: add PUD support to the DAX mapping infrastructure (11/13).

    Entries can stand for a PUD. Their wait queue and key are not those of their first index, as a PMD's are: who
    looks from another index waits for a wake-up that has another key (F-17).
    """

    class dax(Dax):
        def empty_entry(self, xas: XaState, size: int) -> Entry:
            machine = self.k.machine
            return EMPTY._replace(pmd=size == machine.pmd_pages, pud=size == machine.pud_pages)
