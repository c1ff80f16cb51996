"""fs/dax: Always remove DAX page-cache entries when breaking layouts (bde708f1a65d, v6.15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.common_break import CommonBreakLayout
from daxfuzz.protocols.refcount_zero.locked_entries import DontSkipLockedEntries


class RemoveEntriesOnBreak(Patch):
    """fs/dax: Always remove DAX page-cache entries when breaking layouts (bde708f1a65d, v6.15).

    Who has waited for a range also deletes its entries, so truncation finds none any more, and warns if it does.
    """

    adds: ClassVar = {"dax": ("dax_delete_mapping_range",)}

    class dax(DontSkipLockedEntries.dax, CommonBreakLayout.dax):
        async def dax_break_layout(
            self, inode: Inode, first: int, last: int, drop_locks: Callable[[int], Awaitable[None]] | None
        ) -> int:
            error = await super().dax_break_layout(inode, first, last, drop_locks)
            if not error:
                await self.dax_delete_mapping_range(inode.i_mapping, first, last)
            return error

        async def dax_delete_mapping_range(self, mapping: AddressSpace, first: int, last: int) -> None:
            """Delete the entries of a range, each when it is unlocked (fs/dax.c, v6.19). Their marks go with them."""
            xas = XaState(mapping.i_pages, first)
            await mapping.i_pages.lock.acquire()
            while (found := await xas.find(last)) is not None:
                entry = await self.wait_entry_unlocked_exclusive(mapping, xas, found)
                if entry is None:
                    continue
                await self.dax_disassociate_entry(entry, mapping, trunc=True)
                await xas.store(None)
                await self.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
            await mapping.i_pages.lock.release()

    class truncate(Truncate):
        async def truncate_folio_batch_exceptionals(self, mapping: AddressSpace, indices: list[int]) -> None:
            self.k.warn("truncate_folio_batch_exceptionals: an entry is left", None)
            await super().truncate_folio_batch_exceptionals(mapping, indices)
