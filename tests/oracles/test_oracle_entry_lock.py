"""entry-lock."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import EMPTY, Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.entry_lock import EntryLock
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.failure_reads_name_once import FixFailureReadsNameOnce

FAULT = program({"mapper": ["store(file0, 0)"], "other": ["load(file0, 0)"]}, prefault=False)
SYNC = program({"syncer": ["fsync(file0)"], "truncator": ["truncate(file0, 0)"], "mapper": ["store(file0, 0)"]})
FAIL = program({"injector": ["memory_failure(file0, 0)"], "mapper": ["store(file0, 0)"]})


class UnlockWithoutXaLock(Patch):
    """dax: Unlock entries without xa_lock."""

    class dax(Dax):
        async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            await xas.store(entry)


class DeleteLocked(Patch):
    """dax: Delete entries without a look at their lock."""

    class dax(Dax):
        async def _dax_invalidate_entry(self, mapping: AddressSpace, index: int, trunc: bool) -> bool:
            xas = XaState(mapping.i_pages, index)
            await mapping.i_pages.lock.acquire()
            entry = await xas.load()
            if entry is not None:
                await self.dax_disassociate_entry(entry, mapping, trunc)
                await xas.store(None)
            await mapping.i_pages.lock.release()
            return entry is not None


class KeepEntriesLocked(Patch):
    """dax: Do not unlock entries."""

    class dax(Dax):
        async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            return


class MarkUnlocked(Patch):
    """mm: Mark a page that has failed before its entry is locked."""

    class memory_failure(MemoryFailure):
        async def mf_generic_kill_procs(self, pfn: int) -> int:
            await self.k.pages[pfn].hwpoison.write(True)
            return await super().mf_generic_kill_procs(pfn)


class TellUnlocked(Patch):
    """mm: Tell who maps a page that has failed after its entry is unlocked."""

    class memory_failure(FixFailureReadsNameOnce.memory_failure):
        async def mf_generic_kill_procs(self, pfn: int) -> int:
            page = self.k.pages[pfn]
            cookie = await self.k.dax_lock.dax_lock_page(page)
            assert cookie is not None
            await page.hwpoison.write(True)
            await self.k.dax_lock.dax_unlock_page(page, cookie)
            await self.unmap_and_kill_page(page, cookie)
            return 0


class MapUnlocked(Patch):
    """dax: Unlock the entry before the page is mapped."""

    class dax_fault(DaxFault):
        async def insert_pfn(self, vmf: Fault, new: Pte, pfn: int) -> VmFault:
            mapping = vmf.vma.mapping
            xas = XaState(mapping.i_pages, vmf.index)
            await self.k.dax.dax_unlock_entry(mapping, xas, Entry(pfn))
            result = await super().insert_pfn(vmf, new, pfn)
            await self.k.dax.grab_mapping_entry(mapping, xas, 1)
            return result


class EmptyDirty(Patch):
    """dax: Replace entries by empty ones when faults are done."""

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            result, _ = await super().dax_fault_iter(vmf, xas, entry, iomap)
            return result, EMPTY


def test_a_store_without_xa_lock_is_a_finding() -> None:
    violation = trip(simulate(FAULT, UnlockWithoutXaLock), "entry-lock", simple=1, random=0)
    assert "without xa_lock" in violation.message
    assert violation.function == "dax_unlock_entry"


def test_a_change_of_an_entry_that_another_task_has_locked_is_a_finding() -> None:
    violation = trip(simulate(SYNC, DeleteLocked), "entry-lock")
    assert "another task has locked" in violation.message


def test_a_call_that_leaves_its_entry_locked_is_a_finding() -> None:
    violation = trip(simulate(FAULT, KeepEntriesLocked), "entry-lock", simple=1, random=0)
    assert violation.message == "store(file0, 0) returns with entry 0 of inode 0 locked"


def test_faults_syncs_and_truncations_keep_the_discipline() -> None:
    for of in (FAULT, SYNC):
        assert_silent(simulate(of))


def test_whoever_locked_an_entry_in_one_execution_is_forgotten_in_the_next() -> None:
    sim = simulate(SYNC, DeleteLocked, oracles=[EntryLock])
    outcomes = [execution.violation is None for execution in executions(sim)]
    assert True in outcomes[outcomes.index(False) :]


def test_a_page_that_is_marked_as_failed_with_its_entry_unlocked_is_a_finding() -> None:
    violation = trip(simulate(FAIL, MarkUnlocked), "entry-lock", simple=1, random=0)
    assert violation.message == "injector marks page 0 as failed, whose entry it has not locked"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse", "device-dax"])
def test_failures_lock_the_entry_where_there_is_one(filesystem: str) -> None:
    assert_silent(simulate(FAIL, filesystem=filesystem))


def test_who_maps_a_failed_page_is_told_while_the_entry_is_locked() -> None:
    violation = trip(simulate(FAIL, TellUnlocked), "entry-lock", simple=1, random=0)
    assert violation.message == "injector deals with who maps file0[0], whose entry it has not locked"


def test_a_fault_maps_what_it_has_locked() -> None:
    violation = trip(simulate(FAULT, MapUnlocked, oracles=[EntryLock]), "entry-lock", simple=1, random=0)
    assert "maps file0[0], whose entry it has not locked" in violation.message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse", "device-dax"])
def test_mappings_are_moved_and_copied_without_a_lock_of_the_entry(filesystem: str) -> None:
    calls = ["store(file0, 0)", "mremap(file0)", "store(file0, 0)", "fork(child)", "load(file0, 0)"]
    mms = {"mm0": ("mapper",), "mm1": ("child",)}
    assert_silent(simulate(program({"mapper": calls, "child": ["load(file0, 0)"]}, mms=mms), filesystem=filesystem))


def test_an_empty_entry_is_not_dirty() -> None:
    violation = trip(simulate(FAULT, EmptyDirty, oracles=[EntryLock]), "entry-lock", simple=1, random=0)
    assert "leaves file0[0] empty and dirty" in violation.message
