"""The series "Fix the DAX-gup mistake", v1 of 3 September 2022, on top of v6.0: one file for each of its 13 patches."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v1.patch01_rename_busy_page import RenameBusyPageToPinnedPage
from daxfuzz.protocols.series_v1.patch02_maybe_dma_pinned import UsePageMaybeDmaPinned
from daxfuzz.protocols.series_v1.patch03_delete_put_devmap import DeletePutDevmapManagedPageRefs
from daxfuzz.protocols.series_v1.patch04_insert_entry_error import UpdateDaxInsertEntryCallingConvention
from daxfuzz.protocols.series_v1.patch05_associate_entry import CleanupDaxAssociateEntry
from daxfuzz.protocols.series_v1.patch06_insert_entry_flags import ReworkDaxInsertEntryCallingConvention
from daxfuzz.protocols.series_v1.patch07_pgmap_references import ManagePgmapReferences
from daxfuzz.protocols.series_v1.patch08_devdax_warnings import MinorWarningFixups
from daxfuzz.protocols.series_v1.patch09_move_helpers import MoveAddressSpaceHelpersToTheDaxCore
from daxfuzz.protocols.series_v1.patch10_compound_pages import PrepForCompoundPages
from daxfuzz.protocols.series_v1.patch11_pud import AddPudSupport
from daxfuzz.protocols.series_v1.patch12_devdax import UseDaxInsertEntry
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting

SERIES_V1: tuple[type[Patch], ...] = (
    RenameBusyPageToPinnedPage,
    UsePageMaybeDmaPinned,
    DeletePutDevmapManagedPageRefs,
    UpdateDaxInsertEntryCallingConvention,
    CleanupDaxAssociateEntry,
    ReworkDaxInsertEntryCallingConvention,
    ManagePgmapReferences,
    MinorWarningFixups,
    MoveAddressSpaceHelpersToTheDaxCore,
    PrepForCompoundPages,
    AddPudSupport,
    UseDaxInsertEntry,
    DropDaxPgmapAccounting,
)
"""In the order in which they are applied."""
