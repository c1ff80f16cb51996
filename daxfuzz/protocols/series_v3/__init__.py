"""The third version of the series, 14 October 2022, on top of v6.0. Its 25 patches are grouped by what they do.

What is the same in both versions is the patch of the first: 08 is 04, 09 is part of 10, 11 is 06, 12 is 05, 13 is 08,
16 is 09, 20 is 11, 21 is 12 and more, 24 is 03 and more, and 25 is 13. 14, 15 and 17 to 19 change nothing that is
modelled.
"""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v1.patch03_delete_put_devmap import DeletePutDevmapManagedPageRefs
from daxfuzz.protocols.series_v1.patch04_insert_entry_error import UpdateDaxInsertEntryCallingConvention
from daxfuzz.protocols.series_v1.patch05_associate_entry import CleanupDaxAssociateEntry
from daxfuzz.protocols.series_v1.patch06_insert_entry_flags import ReworkDaxInsertEntryCallingConvention
from daxfuzz.protocols.series_v1.patch08_devdax_warnings import MinorWarningFixups
from daxfuzz.protocols.series_v1.patch09_move_helpers import MoveAddressSpaceHelpersToTheDaxCore
from daxfuzz.protocols.series_v1.patch10_compound_pages import PrepForCompoundPages
from daxfuzz.protocols.series_v1.patch11_pud import AddPudSupport
from daxfuzz.protocols.series_v1.patch12_devdax import UseDaxInsertEntry
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting
from daxfuzz.protocols.series_v3.devdax import BreakDevdaxLayouts
from daxfuzz.protocols.series_v3.hold_dax_lock import HoldDaxLockOverMappingInsertion
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences
from daxfuzz.protocols.series_v3.wait_on_page import WaitOnPage
from daxfuzz.protocols.series_v3.zap import IntroduceDaxZapMappings

SERIES_V3: tuple[type[Patch], ...] = (
    WaitOnPage,
    IntroduceDaxZapMappings,
    HoldDaxLockOverMappingInsertion,
    UpdateDaxInsertEntryCallingConvention,
    PrepForCompoundPages,
    ReworkDaxInsertEntryCallingConvention,
    CleanupDaxAssociateEntry,
    MinorWarningFixups,
    MoveAddressSpaceHelpersToTheDaxCore,
    AddPudSupport,
    UseDaxInsertEntry,
    BreakDevdaxLayouts,
    RequestFoliosInsertReferences,
    DeletePutDevmapManagedPageRefs,
    DropDaxPgmapAccounting,
)
"""In the order in which they are applied: 10 comes with 22 to 24."""
