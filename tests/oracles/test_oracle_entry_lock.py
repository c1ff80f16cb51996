"""entry-lock."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.entry_lock import EntryLock
from daxfuzz.protocols.patch import Patch

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
