"""GUP-fast against the scan for busy pages: clean, and found at once when the re-check is gone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from oracle_kit import LIMIT, program, simulate

from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.machine import TlbMode
from daxfuzz.kernel.mm import Mm, Pte
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.search import MEMORYLESS, RoundRobin, make_scheduler
from daxfuzz.sim import Stepper
from daxfuzz.triage.bench import verdict

PINNERS = {
    "pin": ["r0 = pin_user_pages_fast(file0, 0)"],
    "get": ["r0 = get_user_pages_fast(file0, 0)"],
    "both": ["r0 = pin_user_pages_fast(file0, 0)", "r1 = get_user_pages_fast(file0, 0)", "dma_write(r0)"],
}
TRUNCATORS = (["truncate(file0, 0)"], ["fallocate(file0, PUNCH_HOLE, 0, 1)"])
EXECUTIONS = 3_000


class NoRecheck(Patch):
    """gup: Do not read the entry again after the grab."""

    class gup(Gup):
        async def pte_unchanged(self, mm: Mm, address: int, pte: Pte) -> bool:
            return True


def programs(tlb: TlbMode) -> Iterator[Program]:
    for pinner in PINNERS.values():
        for truncator in TRUNCATORS:
            yield program({"pinner": pinner, "truncator": truncator}, tlb=tlb)


def kinds(tlb: TlbMode, *patches: type[Patch], wanted: int = 0) -> dict[str, int]:
    """Kinds of verdicts, with the first execution of each; round robin over programs and strategies.

    wanted: so many are enough, if not 0.
    """
    hosts = [Stepper(simulate(each, *patches, protocol="pin-wait-fixed").world) for each in programs(tlb)]
    first: dict[str, int] = {}
    bound = 150
    for index in range(EXECUTIONS):
        strategy = MEMORYLESS[index // len(hosts) % len(MEMORYLESS)]
        scheduler = make_scheduler(strategy, Random(index), bound)
        violation = verdict(hosts[index % len(hosts)].run(scheduler, LIMIT, RoundRobin()))
        if violation is not None:
            first.setdefault(violation.kind, index)
            if len(first) == wanted:
                break
    return first


@pytest.mark.parametrize("tlb", list(TlbMode))
def test_gup_fast_and_the_scan_never_miss_each_other(tlb) -> None:
    assert kinds(tlb) == {}


def test_without_the_recheck_a_broadcast_shoot_down_lets_them_miss() -> None:
    found = kinds(TlbMode.BROADCAST, NoRecheck, wanted=2)
    assert {"freed-while-pinned", "freed-while-referenced"} <= found.keys()
    assert found["freed-while-pinned"] < 1_000
