"""wrong-result."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.errno import EAGAIN, EBUSY, EINVAL, ENODEV, ENOENT, ENOMEM, ENXIO
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.madvise import Madvise
from daxfuzz.kernel.memory import Memory
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.kernel.memremap import DevPagemap
from daxfuzz.kernel.mm import Mm, Vma
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.splice import Splice
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.oracles.kernel_warning import KernelWarning
from daxfuzz.oracles.wrong_result import WrongResult
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

DROP = program({"mapper": ["madvise(file0, MADV_DONTNEED, 0, 1)"]})
LOAD = program({"mapper": ["load(file0, 0)"]}, prefault=False)
UNLINK = program({"remover": ["unlink(file0)"]})
PIPE = program({"splicer": ["vmsplice(file0, 0)", "pipe_read()"]})
LEASE = program({"holder": ["lease(file0)", "unlease(file0)"]})
FREEZE = program({"freezer": ["freeze()", "thaw()"]})
UNBIND = program({"unbinder": ["unbind()"]})
PIN = program({"pinner": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]})
FAIL = program({"injector": ["madvise(file0, MADV_HWPOISON, 0, 1)"]})


class NothingMapped(Patch):
    """mm: Say that nothing is mapped."""

    class madvise(Madvise):
        async def madvise_dontneed(self, mm: Mm, address: int, pages: int) -> int:
            return -ENOMEM


class DropNothing(Patch):
    """mm: Take advice, and do nothing about it."""

    class madvise(Madvise):
        async def madvise_dontneed(self, mm: Mm, address: int, pages: int) -> int:
            return 0


class FindNoVma(Patch):
    """mm: Find no VMA."""

    class memory(Memory):
        async def find_vma(self, mm: Mm, address: int) -> Vma | None:
            return None


class Nameless(Patch):
    """vfs: Find no name."""

    class vfs(Vfs):
        async def do_unlinkat(self, inode: Inode) -> int:
            return -ENOENT


class EmptyPipe(Patch):
    """splice: Find pipes empty."""

    class splice(Splice):
        async def pipe_read(self) -> int:
            return -EAGAIN


class NoLease(Patch):
    """vfs: Find no lease."""

    class vfs(Vfs):
        async def return_lease(self, inode: Inode) -> int:
            return -EINVAL


class KeepLease(Patch):
    """vfs: Give leases back, and leave them."""

    class vfs(Vfs):
        async def return_lease(self, inode: Inode) -> int:
            return 0


class FrozenAlready(Patch):
    """vfs: Find the file system frozen."""

    class vfs(Vfs):
        async def ioctl_fsfreeze(self) -> int:
            return -EBUSY


class NoDriver(Patch):
    """dax: Find no driver."""

    class dax_device(DaxDevice):
        async def unbind(self) -> int:
            return -ENODEV


class NoMemory(Patch):
    """gup: Run out of memory."""

    class gup(Gup):
        async def get_user_pages_unlocked(self, mm: Mm, addresses: range, flags: int) -> int:
            return -ENOMEM


class WarnOfFree(Patch):
    """gup: Warn of pages that are free, and fail."""

    class gup(Gup):
        async def try_grab_page(self, page: Page, flags: int) -> bool:
            self.k.warn("try_grab_page: page is free", page)
            return False


class DeadDevice(Patch):
    """dax: Find the device dead."""

    class memory_failure(MemoryFailure):
        async def memory_failure_dev_pagemap(self, pfn: int, flags: int, pgmap: DevPagemap) -> int:
            await self.k.memremap.put_page(self.k.pages[pfn])
            await self.k.memremap.put_dev_pagemap(pgmap)
            return -ENXIO


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (DROP, NothingMapped, "returns -12, for which there was no reason"),
        (DROP, DropNothing, "leaves what mapper has mapped at [0]"),
        (LOAD, FindNoVma, "returns SIGSEGV, for which there was no reason"),
        (UNLINK, Nameless, "unlink(file0) returns -2, for which there was no reason"),
        (PIPE, EmptyPipe, "pipe_read() returns -11, for which there was no reason"),
        (LEASE, NoLease, "unlease(file0) returns -22, for which there was no reason"),
        (LEASE, KeepLease, "file0 has 1 leases, of which 0 were taken"),
        (FREEZE, FrozenAlready, "freeze() returns -16, for which there was no reason"),
        (UNBIND, NoDriver, "unbind() returns -19, for which there was no reason"),
        (PIN, NoMemory, "returns -12, for which there was no reason"),
        (FAIL, DeadDevice, "returns -6, for which there was no reason"),
    ],
)
def test_an_answer_without_a_reason_is_a_finding(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="pin-wait", filesystem="xfs", oracles=[WrongResult])
    assert said in trip(sim, "wrong-result", simple=1, random=0).message


def test_who_is_warned_of_has_a_reason() -> None:
    sim = simulate(PIN, WarnOfFree, protocol="pin-wait", oracles=[KernelWarning, WrongResult])
    (execution,) = executions(sim, simple=1, random=0)
    assert execution.violation is None
    assert {each.kind for each in execution.deferred} == {"kernel-warning"}


def test_what_comes_and_goes_during_a_call_is_a_reason() -> None:
    threads = {
        "mapper": ["munmap(file0)", "mmap(file0)", "close(file0)"],
        "dropper": ["madvise(file0, MADV_DONTNEED, 0, 1)", "load(file0, 0)", "mmap(file0)"],
        "writer": ["write(file0, 0)", "unlink(file0)"],
        "other": ["unlink(file0)", "open(file0)"],
    }
    assert_silent(
        simulate(program(threads, mms={"mm0": ("mapper", "dropper", "writer"), "mm1": ("other",)})),
        simple=150,
        random=10,
    )


def test_pipes_leases_and_freezes() -> None:
    tasks = {
        "splicer": ["vmsplice(file0, 0)", "vmsplice(file0, 0)", "vmsplice(file0, 0)", "pipe_read()"],
        "reader": ["pipe_read()", "pipe_read()", "pipe_read()"],
        "holder": ["lease(file0)", "unlease(file0)", "unlease(file0)"],
        "freezer": ["freeze()", "thaw()", "thaw()"],
    }
    assert_silent(simulate(program(tasks), filesystem="xfs"), simple=150, random=10)
