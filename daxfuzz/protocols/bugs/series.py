"""Defects of the series of 2022, "Fix the DAX-gup mistake", in its versions."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.protocols.bugs.kinds import FREED_IN_USE
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.wake_without_folio import FixWakeWithoutFolio


class PinOnlyIdleTest(Bug):
    """Plain references are not waited for.

    Patch 02 waits for pins only (page_maybe_dma_pinned). Truncate frees the block of a page that get_user_pages has
    given to somebody.
    """

    number = "S1"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "missed wait"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = FREED_IN_USE
    reopens: ClassVar = (FixIdleOnRefcount,)


class MaybePinnedFallsWithoutWake(Bug):
    """A count that looked like a pin falls without a wake.

    Many plain references push the count over GUP_PIN_COUNTING_BIAS, and truncate sleeps. put_page drops them below it,
    and only unpin_user_page wakes. Plain references are not waited for, either, as in pin-only-idle-test: its repair
    would hide this.
    """

    number = "S2"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "lost wakeup"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lost-wakeup",)
    reopens: ClassVar = (FixWakeOnThreshold, FixIdleOnRefcount)


class PgmapPutAtEntryDelete(Bug):
    """The reference of the page map ends with the entry, and not with the last reference of the page.

    Entries hold the page map. Once they are deleted nothing does: an unbind frees the page structs, and a pin that has
    outlived its entry is given back to freed memory.
    """

    number = "S3"
    fix = "v3 of the series: put in free_zone_device_page"
    release = "not merged"
    category = "use-after-free"
    protocols: ClassVar = ("series-v1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse", "device-dax")
    kinds: ClassVar = ("use-after-free",)
    reopens: ClassVar = (FixUnbindWaits,)


class WakeAfterLastPutReadsPgmap(Bug):
    """The wake after the last unpin reads a page that may be gone.

    gup_put_folio drops the pin and then looks at page.pgmap to see whether somebody waits. An unbind that waited for
    this very pin has freed the page struct by then.
    """

    number = "S7"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "use-after-free"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("use-after-free",)
    reopens: ClassVar = (FixWakeWithoutFolio,)
