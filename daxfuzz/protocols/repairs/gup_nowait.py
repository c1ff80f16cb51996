"""N-05b: get_user_pages on fuse waits for a range while it holds pages of others."""

from __future__ import annotations

from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Repair


class FixGupNowait(Repair):
    """Let a call that holds pages already fault without waiting for a range, and return the pages that it has.

    __get_user_pages (v6.0; the same up to v6.19) keeps its references while it faults the next page in. A fault on fuse
    waits for a free range, uninterruptibly and with mmap_lock held, and the worker that is to free one waits for these
    references. One call that needs more ranges than there are is enough, such as get_user_pages_fast of 3 pages with
    one range of 2; so are as many calls across a border of ranges as there are ranges. With the repair all faults but
    those for the first page have FAULT_FLAG_RETRY_NOWAIT (FOLL_NOWAIT, on DAX mappings only), on which the fault
    returns VM_FAULT_RETRY and the call what it has: callers have to deal with that anyway. Huge faults wait in no
    version, since dax_iomap_pmd_fault reports no -EAGAIN: they fall back to a page. No upstream fix known.
    """

    flaw = "N-05b"

    class gup(Gup):
        def fault_flags(self, flags: int, held: int) -> int:
            return super().fault_flags(flags, held) | (Foll.NOWAIT if held else 0)

    class fuse_dax(FuseDax):
        def may_wait(self, vmf: Fault) -> bool:
            return not vmf.nowait
