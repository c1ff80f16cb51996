"""C-10 and N-330: a record of the reverse map that is out of date when the entry is locked."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate, verdict

from daxfuzz.kernel.entry import Entry
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.cow_flushes import FixCowFlushes
from daxfuzz.protocols.repairs.end_cow_under_ilock import FixEndCowUnderIlock
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.notify_without_agf import FixNotifyWithoutAgf
from daxfuzz.sim import Stepper, Violation

GENERATIONS = ["refcount-1-fixed", "series-v1-fixed", "series-v3-fixed", "refcount-0-fixed"]

COPIED = program(
    {"failing": ["memory_failure(file1, 0)"], "editor": ["store(file1, 0)"]},
    files={"file0": 2, "file1": 1},
    mms={"mm0": ("failing", "editor")},
    clones={"file1": "file0"},
)


class BelieveTheRecord(Patch):
    """mm: Do not ask whether the entry is for the page that has failed."""

    class memory_failure(FixNotifyWithoutAgf.memory_failure):
        def has_failed(self, entry: Entry, index: int, pfn: int) -> bool:
            return True


@pytest.mark.parametrize("protocol", GENERATIONS)
def test_a_copy_that_has_come_to_the_file_page_is_not_taken_for_the_failed_page(protocol) -> None:
    marked = {}
    for patches in ((), (BelieveTheRecord,)):
        sim = simulate(COPIED, *patches, protocol=protocol, filesystem="xfs")
        steered = Steered(("failing", "xfs_dax_failure_fn.lookup"), ("editor", ""), ("failing", ""))
        violation = verdict(Stepper(sim.world).run(steered, LIMIT))
        pages = [page.pfn for page in sim.kernel.pages if page.hwpoison.value]
        marked[bool(patches)] = (None if violation is None else violation.message, pages)
    # Page 0 has failed, and file0 has it still; the copy is in page 2.
    assert marked == {False: (None, [0]), True: ("failing marks page 2, and page 0 has failed", [0, 2])}


@pytest.mark.parametrize("protocol", GENERATIONS)
def test_a_failure_during_a_copy_is_dealt_with_or_the_page_is_no_longer_there(protocol) -> None:
    assert_silent(simulate(COPIED, protocol=protocol, filesystem="xfs"), simple=150, random=20)


WRITTEN = program(
    {"failing": ["memory_failure(file0, 0)"], "writer": ["write(file1, 0)"], "editor": ["store(file1, 0)"]},
    files={"file0": 1, "file1": 1},
    clones={"file1": "file0"},
    prefault=False,
)


def written_while_it_fails(first: str, *patches: type[Patch]) -> tuple[Simulation, Violation]:
    """Writer and editor get to a place, the failure to the block's record, and then each goes on in that order."""
    sim = simulate(WRITTEN, FixFaultHoldsDevice, FixCowFlushes, *patches, protocol="refcount-1", filesystem="xfs")
    steered = Steered(
        ("writer", first),
        ("editor", first),
        ("failing", "xfs_dax_failure_fn.lookup"),
        ("writer", ""),
        ("editor", ""),
        ("failing", ""),
    )
    violation = verdict(Stepper(sim.world).run(steered, LIMIT))
    assert violation is not None
    return sim, violation


def test_n330() -> None:
    # The extent leaves the CoW fork while the failure has the AGF, and the fault does not wait for the rest.
    _, violation = written_while_it_fails("no_cow_extents.lookup")
    assert violation.message == "failing marks page 1, and page 0 has failed"
    # The fault waits for the writer, the failure for the fault, and, since it has the AGF (C-10), the writer for it.
    sim, violation = written_while_it_fails("xfs_trans_alloc_inode.lock", FixEndCowUnderIlock)
    assert violation.kind == "deadlock"
    assert not any(page.hwpoison.value for page in sim.kernel.pages)


@pytest.mark.parametrize("protocol", GENERATIONS)
def test_a_failure_while_a_shared_page_is_written_and_mapped(protocol) -> None:
    assert_silent(simulate(WRITTEN, protocol=protocol, filesystem="xfs"), simple=150, random=20)
