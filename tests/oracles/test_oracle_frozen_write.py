"""frozen-write."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch

BOTH = program({"truncator": ["truncate(file0, 0)"], "freezer": ["freeze()"]})


class TruncateWithoutWriters(Patch):
    """fs: Do not count truncation as a writer."""

    class ext4(Ext4):
        async def do_truncate(self, inode: Inode, size: int) -> int:
            await inode.i_rwsem.down_write()
            error = await self.setattr_size(inode, size)
            await inode.i_rwsem.up_write()
            return error


def test_a_change_of_a_frozen_file_system_is_a_finding() -> None:
    violation = trip(simulate(BOTH, TruncateWithoutWriters), "frozen-write")
    assert "while the file system is frozen" in violation.message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_freezing_keeps_writers_out(filesystem: str) -> None:
    calls = ["freeze()", "thaw()"]
    both = program({"writer": ["truncate(file0, 0)", "unlink(file0)"], "freezer": calls})
    assert_silent(simulate(both, filesystem=filesystem))
