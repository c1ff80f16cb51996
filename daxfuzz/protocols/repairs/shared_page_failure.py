"""F-29: a memory failure of a page that files share takes the mark of sharing for a mapping."""

from __future__ import annotations

from daxfuzz.kernel.dax_lock import DaxLock
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Cow
from daxfuzz.protocols.patch import Repair


class FixSharedPageFailure(Repair):
    """A shared page has no one entry to lock: say so instead of following its mapping (dax_lock_page, v6.0 to v6.14).

    PAGE_MAPPING_DAX_COW is 1. Where the holder of the device cannot tell the page's owners (-EOPNOTSUPP, xfs without
    reverse mappings), the generic path hands it to dax_mapping, which reads through it. Since v6.15 the mapping of a
    shared page is NULL, and the failure ends with -EBUSY.
    """

    flaw = "F-29"

    class dax_lock(DaxLock):
        def dax_mapping(self, mapping: AddressSpace | Cow | None) -> AddressSpace | None:
            return None if isinstance(mapping, Cow) else mapping
