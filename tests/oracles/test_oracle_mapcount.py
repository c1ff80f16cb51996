"""mapcount-mismatch."""

from __future__ import annotations

from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.refcount_zero.insert_page import AddVmfInsertPageMkwrite


class MapcountAfterReference(Patch):
    """mm: Drop the reference of a mapping before its map count."""

    class memory(ProperlyRefcountFsDaxPages.memory):
        async def zap_pte_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
            ptl = tlb.mm.ptl(addresses[0])
            await ptl.acquire()
            for address in addresses:
                pte = await tlb.mm.slots[address].exchange(None)
                if pte is not None and not pte.zero:
                    await self.k.memremap.folio_put_refs(self.k.pages[pte.pfn], 1)
                    await self.k.pages[pte.pfn].mapcount.add(-1)
            await ptl.release()


class ForgetMapcount(Patch):
    """mm: Do not count who maps a page."""

    class memory(AddVmfInsertPageMkwrite.memory):
        async def insert_page_into_pte_locked(self, vmf: Fault, new: Pte) -> VmFault:
            result = await super().insert_page_into_pte_locked(vmf, new)
            await self.k.pages[new.pfn].mapcount.add(-1)
            return result


def test_a_map_count_above_the_references_is_reported() -> None:
    one = program({"a": ["munmap(file0)"]})
    assert (
        "1 times, and has 0"
        in trip(simulate(one, MapcountAfterReference, protocol="refcount-0"), "mapcount-mismatch").message
    )


def test_a_map_count_that_is_off_in_the_end_is_reported() -> None:
    one = program({"a": ["store(file0, 0)"]}, prefault=False)
    violation = trip(simulate(one, ForgetMapcount, protocol="refcount-0"), "mapcount-mismatch", random=0)
    assert "a map count of 0, and 1 entries map it" in violation.message


def test_counts_that_are_kept_say_nothing() -> None:
    one = program({"a": ["store(file0, 0)", "munmap(file0)"], "t": ["truncate(file0, 0)"]})
    assert_silent(simulate(one, protocol="refcount-0"), preemptions=2, simple=500)
