"""cow-ownership, and what stale-data, freed-while-... and the counts say of private pages."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, ordered, program, simulate, trip

from daxfuzz.kernel.cow import Cow
from daxfuzz.kernel.fork import Fork
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.mm import Mm, Pte, Vma
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.page_alloc import PageAlloc
from daxfuzz.kernel.tlb import MmuGather, TlbFlush
from daxfuzz.oracles.cow_ownership import CowOwnership
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.triage.bench import verdict

PRIVATE = "mmap(file0, MAP_PRIVATE)"
PIN = "r0 = pin_user_pages_fast(file0, 0)"

RACE = program(
    {
        "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "store(file0, 0)"],
        "pinner": [PIN],
        "child": ["load(file0, 0)"],
    },
    mms={"mm0": ("parent", "pinner"), "mm1": ("child",)},
)
PINNED = program({"parent": [PRIVATE, "store(file0, 0)", PIN, "fork(child)", "store(file0, 0)"], "child": ["exit()"]})
ALONE = program({"parent": [PRIVATE, "store(file0, 0)", PIN]})
READER = program(
    {
        "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "r0 = pin_user_pages_fast(file0, 0, READ_ONLY)"],
        "child": ["load(file0, 0)"],
    }
)
WRITERS = program(
    {
        "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "store(file0, 0)", "load(file0, 0)"],
        "child": ["load(file0, 0)", "store(file0, 0)", "load(file0, 0)"],
    }
)
HOLE = program(
    {"copier": [PRIVATE, "store(file0, 0)", "load(file0, 0)"], "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]}
)
DROP = program(
    {"copier": [PRIVATE, "store(file0, 0)", "madvise(file0, MADV_DONTNEED, 0, 1)"], "reader": ["load(file0, 0)"]},
    mms={"mm0": ("copier", "reader")},
)


class IgnoreSequence(Patch):
    """gup: Do not look at write_protect_seq (before 57efa1fe5957, v5.11)."""

    class gup(Gup):
        async def lockless_pages_from_mm(self, mm: Mm, addresses: range, flags: int) -> list[Page]:
            pages: list[Page] = []
            await self.k.interrupts.local_irq_save()
            await self.gup_pmd_range(mm, addresses, flags, pages)
            await self.k.interrupts.local_irq_restore()
            return pages


class ShareThePinned(Patch):
    """fork: Share pages that are pinned, too."""

    class fork(Fork):
        async def page_needs_cow_for_dma(self, page: Page, vma: Vma) -> bool:
            return False


class PinTheShared(Patch):
    """gup: Pin for reading what other processes have, too (before v5.19)."""

    class gup(Gup):
        async def gup_must_unshare(self, flags: int, page: Page) -> bool:
            return False


class ReuseTheShared(Patch):
    """mm: Make a page writable that other processes map."""

    class cow(Cow):
        async def do_wp_page(self, vmf: Fault, orig: Pte) -> VmFault:
            if self.k.is_ram(orig):
                await self.k.pages[orig.pfn].anon_exclusive.write(True)
            return await super().do_wp_page(vmf, orig)


class ZapTheCopies(Patch):
    """mm: Take private copies away with the pages of the file (before d75996dd022b, v5.3)."""

    class memory(Memory):
        async def unmap_mapping_range_vma(self, vma: Vma, first: int, last: int, even_cows: bool) -> None:
            await super().unmap_mapping_range_vma(vma, first, last, even_cows=True)


class PutBeforeFlush(Patch):
    """mm: Drop the pages of a gather before its flush."""

    class tlb(TlbFlush):
        async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
            for page in tlb.pages:
                await self.k.memremap.put_page(page)
            tlb.pages = []
            await super().tlb_finish_mmu(tlb)


class PutTwice(Patch):
    """mm: Drop the pages of a gather twice."""

    class tlb(TlbFlush):
        async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
            tlb.pages += tlb.pages
            await super().tlb_finish_mmu(tlb)


class ForgetOld(Patch):
    """mm: Do not drop the page that a copy replaces."""

    class cow(Cow):
        async def wp_page_copy(self, vmf: Fault, orig: Pte, old: Page | None) -> VmFault:
            if old is not None:
                await old.refcount.add(1)
            return await super().wp_page_copy(vmf, orig, old)


class PinUnseen(Patch):
    """gup: Do not tell fork of pins."""

    class gup(Gup):
        async def mm_set_has_pinned_flag(self, mm: Mm, flags: int) -> None:
            return


class LeaveOut(Patch):
    """fork: Copy no page tables."""

    class fork(Fork):
        async def copy_page_range(self, new: Vma, vma: Vma) -> int:
            return 0


class LeaveOdd(Patch):
    """fork: Leave write_protect_seq odd."""

    class fork(Fork):
        async def copy_page_range(self, new: Vma, vma: Vma) -> int:
            error = await super().copy_page_range(new, vma)
            await vma.mm.write_protect_seq.add(1)
            return error


class LeaveEven(Patch):
    """fork: Write-protect pages with an even write_protect_seq."""

    class fork(Fork):
        async def copy_present_pte(
            self, new: Vma, vma: Vma, address: int, prealloc: Page | None
        ) -> tuple[bool, Page | None]:
            await vma.mm.write_protect_seq.add(1)
            done = await super().copy_present_pte(new, vma, address, prealloc)
            await vma.mm.write_protect_seq.add(-1)
            return done


class ChangeTheFree(Patch):
    """mm: Change a page that is free already."""

    class page_alloc(PageAlloc):
        async def free_unref_page(self, page: Page) -> None:
            await self.k.free_list.free(page.pfn)
            await page.anon_exclusive.write(False)


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (ALONE, PinUnseen, "pins a private page, and fork would not see it"),
        (WRITERS, LeaveOut, "leaves out what parent has in private pages at [0]"),
        (WRITERS, LeaveOdd, "has an odd write_protect_seq, and nobody forks"),
        (WRITERS, LeaveEven, "but write_protect_seq is even"),
        (DROP, ChangeTheFree, "which is free"),
        (HOLE, ZapTheCopies, "a private copy, from mm0 at 0"),
    ],
)
def test_what_may_do_harm_later_is_a_finding(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="refcount-1-fixed", oracles=[CowOwnership])
    assert said in trip(sim, "cow-ownership", simple=300, random=20).message


@pytest.mark.parametrize(
    ("of", "patch", "kind"),
    [
        (PINNED, ShareThePinned, "cow-ownership"),
        (READER, PinTheShared, "cow-ownership"),
        (WRITERS, ReuseTheShared, "stale-data"),
        (HOLE, ZapTheCopies, "stale-data"),
        (DROP, PutBeforeFlush, "stale-tlb"),
        (DROP, PutTwice, "refcount-underflow"),
        (WRITERS, ForgetOld, "leak"),
    ],
)
def test_what_each_rule_is_for(of, patch, kind) -> None:
    for protocol in ("refcount-1-fixed", "pin-wait-fixed"):
        trip(simulate(of, patch, protocol=protocol), kind, simple=300, random=60, preemptions=2)


def test_a_lockless_pin_between_forks_look_and_its_write_protection() -> None:
    order = (
        "parent:page_needs_cow_for_dma.read < pinner:mm_set_has_pinned_flag.read",
        "pinner:try_grab_folio.add < parent:copy_present_pte.write",
    )
    said = verdict(ordered(simulate(RACE, IgnoreSequence, protocol="refcount-1-fixed"), *order))
    assert said is not None
    assert said.kind == "cow-ownership"
    # The sequence makes the pin wait for the end of fork.
    with pytest.raises(AssertionError, match="held back"):
        ordered(simulate(RACE, protocol="refcount-1-fixed"), *order)


@pytest.mark.parametrize("of", [RACE, PINNED, READER, WRITERS, HOLE, DROP])
def test_the_rules_hold(of) -> None:
    assert_silent(simulate(of, protocol="refcount-1-fixed"))
