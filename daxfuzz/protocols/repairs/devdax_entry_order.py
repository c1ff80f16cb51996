"""F-22: huge entries of a character device are stored in the slot of one page (drivers/dax/device.c, the series)."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair


class FixDevdaxEntryOrder(Repair):
    """Give a huge entry a slot of its order when it is made (xas_set_order, in dax_grab_mapping_entry).

    Patch 12 declares its XA_STATE with order 0, at the page of the fault. Two faults of one PMD or PUD at different
    pages do not see each other: process A faults page 0, B page 1, or one process faults, unmaps, maps and faults
    again. Both insert an entry for the same compound page: it is associated twice, and whoever deletes the first entry
    clears its mapping under the second. In the third version each entry holds a reference, so the removal of the
    device breaks its walk at the first entry and waits for the reference of the second, for ever (N-13).

    The state of the fault itself stays at its page, as that of a page's fault inside a PMD entry does. With
    XA_STATE_ORDER, which aligns it, every look at a PUD entry of a device would be at its first index, and F-17 would
    not be seen either.
    """

    flaw = "F-22"

    class dax(Dax):
        def empty_entry(self, xas: XaState, size: int) -> Entry:
            if size > xas.span:
                xas.set_order(xas.index, size)
            return super().empty_entry(xas, size)
