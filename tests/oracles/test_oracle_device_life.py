"""device-use."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.oracles.device_life import DeviceLife
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

STORE = program({"mapper": ["store(file0, 0)"]}, prefault=False)
UNBIND = program({"unbinder": ["unbind()"]})
DEDUPE = program(
    {"unbinder": ["unbind()"], "cloner": ["dedupe(file0, 0, file1, 0, 1)"]},
    files={"file0": 1, "file1": 1},
    prefault=False,
)
WRITERS = program(
    {"writer": ["write(file0, 0)", "fsync(file0)"], "mapper": ["store(file0, 1)"], "unbinder": ["unbind()"]},
    files={"file0": 2},
    prefault=False,
)


class ZeroWithoutRequest(Patch):
    """block: End the request before the block is zeroed."""

    class dax_device(DaxDevice):
        async def blkdev_issue_zeroout(self, pfn: int) -> bool:
            await self.k.blocks[pfn].zero()
            return True


class DedupeDead(Patch):
    """dax: Compare blocks without a look whether the device is alive."""

    class xfs(Xfs):
        async def dax_dedupe_file_range_compare(
            self, source: Inode, first: int, dest: Inode, to: int, length: int
        ) -> int:
            await self.k.dax_srcu.read_lock()
            await self.k.blocks[0].read()
            await self.k.dax_srcu.read_unlock()
            return 0


class ForgetAtOnce(Patch):
    """dax: Forget the holder before who asks it has left."""

    class dax_device(DaxDevice):
        async def kill_dax(self) -> None:
            await self.k.dax_alive.write(False)
            await self.k.dax_holder.write(False)
            await self.k.dax_srcu.synchronize()


class WaitBeforeDeath(Patch):
    """dax: Wait for users, and only then say that the device is dead."""

    class dax_device(DaxDevice):
        async def kill_dax(self) -> None:
            await self.k.dax_srcu.synchronize()
            await self.k.dax_alive.write(False)


class HideLate(Patch):
    """mm: Wait for who looks a page map up, and only then hide it."""

    class memremap(Memremap):
        async def pageunmap_range(self, pgmap: DevPagemap) -> None:
            await self.arch_remove_memory()
            await self.synchronize_rcu()
            await self.k.pgmap_array.write(None)


class KeepMemory(Patch):
    """mm: Leave the memory of a device that is gone."""

    class memremap(Memremap):
        async def pageunmap_range(self, pgmap: DevPagemap) -> None:
            return


class KeepMapped(Patch):
    """dax: Leave a character device mapped that is to go."""

    class dax_device(DaxDevice):
        async def kill_dev_dax(self) -> None:
            await self.kill_dax()


class OpenRequest(Patch):
    """block: Leave a request open, and do not wait for it."""

    class dax_device(DaxDevice):
        async def del_gendisk(self) -> None:
            await self.blk_queue_enter()
            await self.k.q_usage.kill()


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (STORE, ZeroWithoutRequest, "works on block 0, and nothing keeps the device"),
        (UNBIND, ForgetAtOnce, "forgets the holder of the device without a grace period of dax_srcu"),
        (UNBIND, WaitBeforeDeath, "removes the memory of the device without a grace period of dax_srcu"),
        (UNBIND, HideLate, "frees the page map without a grace period of rcu"),
        (UNBIND, KeepMemory, "the memory of its device is there"),
        (UNBIND, OpenRequest, "goes on to remove the device, which has requests"),
    ],
)
def test_each_rule_is_asked_for(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="pin-wait", filesystem="xfs", oracles=[DeviceLife])
    (execution,) = executions(sim, simple=1, random=0)
    found = [each for each in (execution.violation, *execution.deferred) if each is not None]
    assert {each.kind for each in found} == {"device-use"}
    assert any(said in each.message for each in found), found


def test_a_section_that_begins_after_the_death_of_the_device_keeps_nothing() -> None:
    sim = simulate(DEDUPE, DedupeDead, protocol="pin-wait", filesystem="xfs", oracles=[DeviceLife])
    assert trip(sim, "device-use").message == "cloner works on block 0, and nothing keeps the device"
    assert_silent(simulate(DEDUPE, filesystem="xfs"), simple=150, random=10)


def test_entries_that_hold_the_device_keep_it_for_who_uses_a_block() -> None:
    """In the series an entry, of whatever block, keeps the page map; before there is one, nothing else does."""
    sim = simulate(STORE, ZeroWithoutRequest, protocol="series-v1", filesystem="xfs", oracles=[DeviceLife])
    assert trip(sim, "device-use", simple=1, random=0).message.endswith("and nothing keeps the device")
    calls = {"mapper": ["store(file0, 0)"], "unbinder": ["unbind()"]}
    clone = program(calls, files={"file0": 1, "file1": 1}, clones={"file1": "file0"})
    assert_silent(simulate(clone, protocol="series-v1-fixed", filesystem="xfs"), simple=150, random=10)
    last = simulate(clone, protocol="refcount-1", filesystem="xfs", oracles=[DeviceLife])
    assert trip(last, "device-use", simple=1, random=0).message.endswith("and nothing keeps the device")


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_the_kernel_follows_the_rules(filesystem: str) -> None:
    assert_silent(simulate(WRITERS, filesystem=filesystem), simple=150, random=10)


def test_nobody_maps_a_character_device_that_goes() -> None:
    last = program({"unbinder": ["load(file0, 0)", "unbind()"]})
    sim = simulate(last, KeepMapped, filesystem="device-dax", oracles=[DeviceLife])
    assert trip(sim, "device-use", simple=1, random=0).message == "unbinder removes the device, which mm0 maps"
    mapped = program({"mapper": ["store(file0, 0)"], "unbinder": ["unbind()"]})
    assert_silent(simulate(mapped, filesystem="device-dax"))
