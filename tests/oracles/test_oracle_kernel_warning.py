"""kernel-warning, spurious-warning."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, ordered, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import UserCopy
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.machine import TlbMode
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.kernel_warning import KernelWarning, SpuriousWarning
from daxfuzz.oracles.registry import attach
from daxfuzz.protocols.patch import Patch
from daxfuzz.triage.bench import verdict

MUNMAP = program({"pinner": ["r0 = pin_user_pages(file0, 0)", "munmap(file0)"], "truncator": ["truncate(file0, 0)"]})
FAULT = program({"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 0)"]}, prefault=False)


def speculative(tlb: TlbMode) -> object:
    tasks = {"pinner": ["r0 = pin_user_pages_fast(file0, 0)"], "truncator": ["truncate(file0, 0)"]}
    return program(tasks, tlb=tlb)


IN_FLIGHT = (
    "pinner:gup_pte_range.read < truncator:zap_pte_range.lock",
    "truncator:dax_busy_page.read < pinner:try_get_folio.update",
    "pinner:try_get_folio.update < truncator:dax_disassociate_entry.read",
    "truncator:dax_disassociate_entry.read < pinner:pte_unchanged.read",
)
"""The grab comes after the scan has found the page idle, and is given back after its entry has gone."""


class UnlockTwice(Patch):
    """dax: Unlock entries twice."""

    class dax(Dax):
        async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            await super().dax_unlock_entry(mapping, xas, entry)
            await super().dax_unlock_entry(mapping, xas, entry)


class InsertUnlocked(Patch):
    """dax: Faults do not lock the entry that they find."""

    class dax(Dax):
        async def dax_lock_entry(self, xas: XaState, entry: Entry) -> None:
            await xas.store(entry)


class SyncUnlocked(Patch):
    """vfs: Freeze with s_umount free while the inodes are written back."""

    class vfs(Vfs):
        async def sync_filesystem(self) -> None:
            await self.k.sb.s_umount.up_write()
            await super().sync_filesystem()
            await self.k.sb.s_umount.down_write()


class SyncWithoutFlag(Patch):
    """vfs: Write inodes back without I_SYNC."""

    class vfs(Vfs):
        async def writeback_single_inode(self, inode: Inode) -> int:
            await inode.i_sync.release()
            error = await super().writeback_single_inode(inode)
            await inode.i_sync.acquire()
            return error


class WriteUnlocked(Patch):
    """ext4: Write without i_rwsem."""

    class ext4(Ext4):
        async def ext4_dax_write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
            return await self.k.dax_io.dax_iomap_rw(inode, index, value, copy)


@pytest.mark.parametrize(
    ("call", "patch", "said"),
    [
        ("freeze()", SyncUnlocked, "sync_filesystem: s_umount is not held"),
        ("freeze()", SyncWithoutFlag, "__writeback_single_inode: I_SYNC is not set"),
        ("write(file0, 0)", WriteUnlocked, "dax_iomap_rw: i_rwsem is not held"),
    ],
)
def test_a_lock_that_the_kernel_itself_asks_for_is_a_finding(call: str, patch: type[Patch], said: str) -> None:
    sim = simulate(program({"alone": [call]}), patch, oracles=[KernelWarning])
    assert said in trip(sim, "kernel-warning", simple=1, random=0).message


def test_a_warning_about_a_page_that_is_in_use_is_a_finding() -> None:
    violation = trip(simulate(MUNMAP, protocol="refcount-1", oracles=[KernelWarning]), "kernel-warning", random=0)
    assert violation.function == "dax_disassociate_entry"
    assert violation.message == "WARN_ON_ONCE in dax_disassociate_entry: page is busy"
    assert_silent(simulate(MUNMAP, protocol="refcount-1-fixed"))


def test_a_warning_does_not_end_the_execution_so_that_what_is_graver_still_comes() -> None:
    for execution in executions(simulate(MUNMAP, protocol="refcount-1"), simple=1, random=0):
        assert execution.violation is not None
        assert execution.violation.kind == "freed-while-pinned"
        assert [each.kind for each in execution.deferred] == ["kernel-warning"]
        assert verdict(execution) is execution.violation


def test_a_bug_on_ends_the_execution() -> None:
    (execution,) = executions(simulate(FAULT, UnlockTwice), simple=1, random=0)
    assert execution.violation is not None
    assert execution.violation.kind == "kernel-warning"
    assert execution.violation.message == "kernel BUG: dax_unlock_entry: the entry was not locked"
    assert_silent(simulate(FAULT))


def test_a_changed_entry_under_a_fault_is_warned_of() -> None:
    violation = trip(simulate(FAULT, InsertUnlocked, oracles=[KernelWarning]), "kernel-warning")
    assert violation.function in ("dax_insert_entry", "dax_associate_entry", "dax_unlock_entry")


def test_a_warning_about_a_reference_that_gup_gives_back_is_spurious() -> None:
    of = speculative(TlbMode.BROADCAST)
    for protocol in ("refcount-1-fixed", "pin-wait-fixed"):
        sim = simulate(of, protocol=protocol, oracles=[SpuriousWarning])
        violation = verdict(ordered(sim, *IN_FLIGHT))
        assert violation is not None
        assert violation.kind == "spurious-warning"
        assert violation.function == "dax_disassociate_entry"


def test_interrupts_that_are_off_keep_the_spurious_warning_away() -> None:
    # The shoot-down waits for the walk, so the reference is gone before the page is looked at.
    sim = simulate(speculative(TlbMode.IPI), oracles=[KernelWarning, SpuriousWarning])
    assert_silent(sim)
    with pytest.raises(AssertionError, match="held back"):
        ordered(sim, *IN_FLIGHT)


def test_spurious_warnings_are_off_unless_asked_for_and_never_kernel_warnings() -> None:
    assert not SpuriousWarning.default
    assert SpuriousWarning not in map(type, attach(simulate(MUNMAP, oracles=[])))
    for protocol in ("refcount-1-fixed", "pin-wait-fixed"):
        sim = simulate(speculative(TlbMode.BROADCAST), protocol=protocol)
        assert verdict(ordered(sim, *IN_FLIGHT)) is None
        assert_silent(sim)


def test_a_grab_may_be_given_back_between_the_look_at_the_count_and_the_warning() -> None:
    # Where what is said of the page is looked at after the count.
    protocol = "pin-wait-fixed"
    given_back = (*IN_FLIGHT, "pinner:page_ref_sub_return.update < truncator:busy_at_truncation.read")
    of = speculative(TlbMode.BROADCAST)
    assert verdict(ordered(simulate(of, protocol=protocol), *given_back)) is None
    warned = verdict(ordered(simulate(of, protocol=protocol, oracles=[KernelWarning, SpuriousWarning]), *given_back))
    assert warned is not None
    assert warned.kind == "spurious-warning"
