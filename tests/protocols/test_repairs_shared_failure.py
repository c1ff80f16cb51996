"""N-230: a page that becomes shared while its failure is dealt with is not dealt with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.kernel.errno import EBUSY
from daxfuzz.sim import Stepper

PAGES = program(
    {"failing": ["memory_failure(file0, 0)"], "other": ["load(file1, 0)"]},
    files={"file0": 1, "file1": 1},
    mms={"mm0": ("failing", "other")},
    clones={"file1": "file0"},
)
TWINS = replace(PAGES, machine=replace(PAGES.machine, rmapbt=False))


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "series-v3-fixed", "refcount-0-fixed"])
@pytest.mark.parametrize("place", ["dax_lock_page.load", "mf_generic_kill_procs.write"])
def test_a_failure_says_so_if_the_page_became_shared_before_it_was_marked(protocol, place) -> None:
    sim = simulate(TWINS, protocol=protocol, filesystem="xfs")
    steered = Steered(("failing", place), ("other", ""), ("failing", ""))
    assert Stepper(sim.world).run(steered, LIMIT).violation is None
    steered.finish()
    assert sim.results[0] == [-EBUSY]
    assert_silent(sim, simple=100, random=20)
