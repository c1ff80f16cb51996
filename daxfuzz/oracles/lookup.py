"""What is where now: looks at page tables and i_pages outside any task's turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import TABLE, Mm, Pte

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.xarray import XArray


def mapped(mm: Mm, address: int) -> Pte | None:
    """The translation of one page, None if there is none."""
    if mm.puds:
        pud = mm.pud(address).value
        return None if pud is None else pud.sub(address % mm.pud_pages)
    pmd = mm.pmd(address).value
    if pmd is TABLE:
        return mm.slots[address].value
    return pmd.sub(address % mm.pmd_pages) if isinstance(pmd, Pte) else None


def translations(mm: Mm) -> Iterator[tuple[int, Pte]]:
    """The translation of each page that has one."""
    pmds, size = mm.pmds, mm.pmd_pages
    for address, slot in mm.slots.items():
        pmd = pmds[address // size].value
        if pmd is None:
            continue
        pte = pmd.sub(address % size) if isinstance(pmd, Pte) else slot.value
        if pte is not None:
            yield address, pte


def leaves(mm: Mm) -> Iterator[Pte]:
    """Every present entry, once."""
    for pud in mm.puds.values():
        if pud.value is not None:
            yield pud.value
    for number, pmd in mm.pmds.items():
        if isinstance(pmd.value, Pte):
            yield pmd.value
        elif pmd.value is TABLE:
            for address in range(number * mm.pmd_pages, (number + 1) * mm.pmd_pages):
                slot = mm.slots.get(address)
                if slot is not None and slot.value is not None:
                    yield slot.value


def entry_at(i_pages: XArray, index: int) -> tuple[int, Entry] | None:
    """The entry that covers an index and the first index of its slot, None if nothing is there."""
    for head, entry in i_pages.entries.items():
        if head <= index < head + i_pages.spans.get(head, 1):
            return head, entry
    return None


def head_of(page: Page) -> Page:
    """The page that counts for one, its folio's head; of a page that is gone it no longer matters which."""
    return page if page.freed else page.head.value
