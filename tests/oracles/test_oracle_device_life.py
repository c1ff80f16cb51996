"""device-use."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.oracles.device_life import DeviceLife
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

STORE = program({"mapper": ["store(file0, 0)"]}, prefault=False)
UNBIND = program({"unbinder": ["unbind()"]})
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
        (UNBIND, OpenRequest, "removes the device, which has requests"),
    ],
)
def test_each_rule_is_asked_for(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="pin-wait", filesystem="xfs", oracles=[DeviceLife])
    (execution,) = executions(sim, simple=1, random=0)
    found = [each for each in (execution.violation, *execution.deferred) if each is not None]
    assert {each.kind for each in found} == {"device-use"}
    assert any(said in each.message for each in found), found


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_the_kernel_follows_the_rules(filesystem: str) -> None:
    assert_silent(simulate(WRITERS, filesystem=filesystem), simple=150, random=10)
