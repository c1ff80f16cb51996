"""References, shares and associations of pages that are not given back, or once too often."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.repairs.cow_count import FixCowCount


class GupRefNeverDropped(Bug):
    """The release of a reference skips pages of devices.

    A hypervisor takes a reference of a page and gives it back only if the page is not "reserved", which device pages
    were said to be (kvm_release_pfn). Nobody has the reference any more, and whoever waits for the page does so for
    ever. Known deviation: every put_page of a device page is skipped, not only that of one driver.
    """

    number = "22"
    fix = "a78986aae9b2"
    release = "v5.4"
    category = "reference leak"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse", "device-dax")
    kinds: ClassVar = ("leak", "refcount-mismatch")

    class memremap(Memremap):
        async def put_page(self, page: Page) -> None:
            if page.ram or page is self.k.zero_folio:
                await super().put_page(page)


class DaxShareCountOffByOne(Bug):
    """A page that two files shared stays shared after both have dropped it.

    dax_disassociate_entry looks at the count of sharers from before the decrement. The mark outlives the last entry,
    and the next file that gets the block associates its page on top of it.
    """

    number = "20"
    fix = "fsdax: introduce page->share for fsdax in reflink mode"
    release = "v6.2"
    category = "share count"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed", "series-v3-fixed")
    filesystems: ClassVar = ("xfs",)
    kinds: ClassVar = ("association", "kernel-warning")
    reopens: ClassVar = (FixCowCount,)


class MixedPmdPteAssociation(Bug):
    """A fault on a page makes the pages of a PMD entry forget their file.

    The entry stays what it is. Yet the fault disassociates all of its pages and associates only its own, because the
    sizes differ, so that a memory failure of the others finds no file.
    """

    number = "C2"
    fix = "1571c029a2ff"
    release = "v5.2"
    category = "association"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("association", "kernel-warning")

    class dax(Dax):
        async def keep_entry(self, xas: XaState, vmf: Fault, entry: Entry) -> tuple[VmFault | None, Entry]:
            if vmf.pages < entry.size(self.k.machine):
                await self.dax_disassociate_entry(entry, vmf.vma.mapping, trunc=False)
                own = Entry(entry.pfn + vmf.index % entry.size(self.k.machine))
                await self.dax_associate_entry(own, vmf.vma.mapping, vmf, 0)
            return await super().keep_entry(xas, vmf, entry)


class ZeroPagePinLeak(Bug):
    """The release of a pin skips the zero page.

    A read-only pin of a hole takes the zero page, and counts it. put_pfn of vfio gives back what is not "reserved",
    which the zero page is, and its count grows for ever. Known deviation: every release does so, not only that of one
    driver.
    """

    number = "C12"
    fix = "873aefb376bb"
    release = "v6.0"
    category = "reference leak"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("leak", "refcount-mismatch")

    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
            if folio is not self.k.zero_folio:
                await super().gup_put_folio(folio, refs, flags)


class FsdaxFolioOrderResidue(Bug):
    """The pages of a folio that is no more keep its size.

    The entry of a PMD is deleted, and its folio taken apart. Its first page still says that it heads so many, which
    whoever maps the block as a single page takes for the truth.
    """

    number = "C23"
    fix = "mm: fix folio splitting issue by resetting old folio order + _nr_pages"
    release = "v6.15"
    category = "folio size"
    protocols: ClassVar = ("refcount-0-v6.15-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("kernel-warning", "association")

    class dax(ProperlyRefcountFsDaxPages.dax):
        async def dax_folio_split(self, folio: Page, pages: int) -> None:
            await super().dax_folio_split(folio, pages)
            await folio.order.write(pages)
