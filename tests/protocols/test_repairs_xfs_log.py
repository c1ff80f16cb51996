"""What a crash makes of files that share blocks: each flaw shows without its repair and is gone with it."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.cow_flushes import FixCowFlushes
from daxfuzz.protocols.repairs.cow_is_dirty import FixCowIsDirty
from daxfuzz.protocols.repairs.unshare_durable import FixUnshareDurable
from daxfuzz.protocols.repairs.write_unshares import FixWriteUnshares
from daxfuzz.sim import Stepper

TWO = {"file0": 1, "file1": 1}
COPY = program(
    {
        "cloner": ["store(file0, 0)", "fsync(file0)", "reflink(file0, 0, file1, 0, 1)"],
        "syncer": ["fsync(file0)"],
        "writer": ["store(file0, 0)"],
    },
    files=TWO,
)
COPY_PLAYED = (("cloner", ""), ("syncer", "xfs_ipincount.committed"), ("writer", ""), ("syncer", ""))
FOUND = program(
    {
        "writer": ["write(file0, 0)"],
        "syncer": ["fsync(file0)"],
        "mapper": ["munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"],
    },
    files=TWO,
    clones={"file1": "file0"},
)
FOUND_PLAYED = (("writer", "dax_iomap_iter.read_lock"), ("syncer", ""), ("mapper", ""), ("writer", ""))
UNSHARED = program(
    {"syncer": ["fsync(file0)"], "mapper": ["store(file0, 0)", "store(file1, 0)", "fsync(file1)"]},
    files=TWO,
    clones={"file1": "file0"},
)
UNSHARED_PLAYED = (("syncer", "blkdev_issue_flush.tryget_live"), ("mapper", ""), ("syncer", ""))

CASES: list[tuple[type[Repair], Program, tuple[tuple[str, str], ...], tuple[type[Repair], ...]]] = [
    (FixCowFlushes, COPY, COPY_PLAYED, ()),
    # With it, write(2) leaves no copy for a fault to find.
    (FixCowIsDirty, FOUND, FOUND_PLAYED, (FixWriteUnshares,)),
    (FixUnshareDurable, UNSHARED, UNSHARED_PLAYED, ()),
]


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait", "series-v1", "series-v3", "refcount-0"])
@pytest.mark.parametrize(("repair", "of", "played", "others"), CASES, ids=["N-10", "N-12", "N-201"])
def test_a_crash_after_copy_on_write(
    repair: type[Repair],
    of: Program,
    played: tuple[tuple[str, str], ...],
    others: tuple[type[Repair], ...],
    protocol: str,
) -> None:
    rest = [each for each in PROTOCOLS[protocol].repairs if each not in (repair, *others)]
    for patches, lost in ((rest, True), ([*rest, repair], False)):
        sim = simulate(of, *patches, protocol=protocol, filesystem="xfs")
        violation = Stepper(sim.world).run(Steered(*played), LIMIT).violation
        assert (violation is not None and violation.kind == "lost-dirty-data") is lost
    assert_silent(simulate(of, protocol=f"{protocol}-fixed", filesystem="xfs"), simple=60, random=10)
