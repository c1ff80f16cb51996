"""Calls that do not overlap do what a plain reference says; and a model that is broken on purpose does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import KernelSpec
from daxfuzz.strategies import sequential_machine
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.sequential.beside import Beside, Differs

FEW = settings(
    max_examples=40,
    stateful_step_count=16,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
BROKEN = {
    "waits for nobody": """
    class dax(Dax):
        def page_busy(self, refcount: int) -> bool:
            return False
""",
    "keeps a block": """
    class ext4(Ext4):
        async def ext4_remove_space(self, inode: Inode, first: int, last: int) -> None:
            await super().ext4_remove_space(inode, first + 1, last)
""",
    "leaves a page mapped": """
    class memory(Memory):
        async def unmap_mapping_pages(
            self, mapping: AddressSpace, start: int, nr: int, even_cows: bool = False
        ) -> None:
            await super().unmap_mapping_pages(mapping, start + 1, nr - 1, even_cows)
""",
    "spares private copies": """
    class memory(Memory):
        async def unmap_mapping_pages(
            self, mapping: AddressSpace, start: int, nr: int, even_cows: bool = False
        ) -> None:
            await super().unmap_mapping_pages(mapping, start, nr, False)
""",
}
IMPORTS = """
from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory import Memory
from daxfuzz.protocols.patch import Patch


class Broken(Patch):
    \"\"\"all: Do something wrong.\"\"\"
"""


@pytest.mark.parametrize(
    ("protocol", "filesystem"), [("pin-wait-fixed", "ext4"), ("refcount-0-fixed", "xfs"), ("refcount-1-fixed", "fuse")]
)
def test_the_model_does_what_the_reference_says(protocol: str, filesystem: str) -> None:
    run_state_machine_as_test(sequential_machine(protocol, filesystem=filesystem), settings=FEW)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_model_differs(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(IMPORTS + BROKEN[broken])
    machine = sequential_machine("refcount-1-fixed", patches=[str(file)])
    with pytest.raises(Differs):
        run_state_machine_as_test(machine, settings=settings(FEW, max_examples=200))


def test_who_waits_goes_on_when_the_reference_is_dropped() -> None:
    beside = Beside(KernelChoice(KernelSpec("pin-wait-fixed")), {"file0": 2}, (("t0",), ("t1",)))
    calls = [
        ("t0", "r0 = pin_user_pages(file0, 1)"),
        ("t1", "truncate(file0, 0)"),
        ("t0", "dma_write(r0)"),
        ("t0", "unpin_user_pages(r0)"),
        ("t0", "load(file0, 0)"),
    ]
    parsed = [(task, parse_call(call)) for task, call in calls]
    beside.check(parsed)
    reference = beside.reference()
    for task, call in [*beside.prologue(), *parsed[:2]]:
        reference.call(task, call)
    assert reference.tasks["t1"].waits == parsed[1][1]
    for task, call in parsed[2:]:
        reference.call(task, call)
    assert reference.tasks["t1"].results == [0, 0, 0]
    assert reference.tasks["t0"].dead
    assert reference.blocks() == 0


def test_no_reference() -> None:
    with pytest.raises(ValueError, match="no reference for device-dax, only for ext4, fuse, xfs"):
        sequential_machine(filesystem="device-dax")
