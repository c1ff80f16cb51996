"""late-flush."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.mm import Mm, Pte
from daxfuzz.kernel.mremap import Mremap
from daxfuzz.oracles.late_flush import LateFlush
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

HUGE = program({"mapper": ["store(file0, 0)", "fsync(file0)"]}, files={"file0": 2}, prefault=False)
SMALL = program({"mapper": ["store(file0, 0)", "fsync(file0)"]})
MOVE = program({"mapper": ["store(file0, 0)", "mremap(file0)"]})
PRIVATE = ["munmap(file0)", "mmap(file0, MAP_PRIVATE)", "store(file0, 0)"]
FORK = program({"parent": [*PRIVATE, "fork(child)"], "child": ["load(file0, 0)"]})


class CleanHugeWithoutFlush(Patch):
    """mm: Write-protect PMD entries without a flush."""

    class huge_memory(HugeMemory):
        async def pmd_mkclean(self, mm: Mm, address: int, old: Pte) -> None:
            await mm.pmd(address).write(Pte(old.pfn))


class CleanWithoutFlush(Patch):
    """mm: Write-protect page-table entries without a flush."""

    class dax_writeback(DaxWriteback):
        async def pte_mkclean_range(self, mm: Mm, addresses: range, pfns: range) -> None:
            await mm.ptl(addresses.start).acquire()
            await mm.slots[addresses.start].write(Pte(pfns.start))
            await mm.ptl(addresses.start).release()


class MoveBeforeFlush(Patch):
    """mm: Flush what has moved when the locks are dropped already."""

    class mremap(Mremap):
        async def move_ptes(self, mm: Mm, old: int, new: int, pages: int) -> None:
            await mm.ptl(old).acquire()
            await mm.ptl(new).acquire(subclass=1)
            await mm.slots[new].write(await mm.slots[old].exchange(None))
            await mm.ptl(new).release()
            await mm.ptl(old).release()
            await self.k.tlb.flush_tlb_mm_range(mm, [old])


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (HUGE, CleanHugeWithoutFlush, "mapper drops the lock of pfn 0, for which mapper.tlb has pfn 0|W"),
        (SMALL, CleanWithoutFlush, "mapper drops the lock of pfn 0, for which mapper.tlb has pfn 0|W"),
        (MOVE, MoveBeforeFlush, "mapper drops the lock of None, for which mapper.tlb has pfn 0|W"),
    ],
)
def test_rights_that_outlive_the_lock_are_a_finding(of: Program, patch: type[Patch], said: str) -> None:
    violation = trip(simulate(of, patch, oracles=[LateFlush]), "late-flush", simple=1, random=0)
    assert violation.message.startswith(said)


@pytest.mark.parametrize("of", [HUGE, SMALL, MOVE, FORK])
def test_who_takes_rights_away_flushes_in_time(of: Program) -> None:
    assert_silent(simulate(of))


@pytest.mark.parametrize("call", ["munmap(file0)", "truncate(file0, 0)", "exit()"])
def test_a_gather_may_flush_later(call: str) -> None:
    of = program({"mapper": ["store(file0, 0)"], "other": [call]}, mms={"mm0": ("mapper", "other")})
    assert_silent(simulate(of))
