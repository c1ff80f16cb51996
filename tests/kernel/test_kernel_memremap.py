"""The page map's life: it waits for calls under way, and not for pins."""

from __future__ import annotations

import pytest
from kernel_kit import Steered, add_task, run, simulate

from daxfuzz.sim import Scheduler, Stepper


def unbind(sim) -> None:
    add_task(sim, "unbind", lambda: sim.kernel.memremap.memunmap_pages(sim.kernel.pgmap))


def test_it_drains_and_is_out_of_sight() -> None:
    sim = simulate({"a": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]})
    unbind(sim)
    run(sim)
    assert sim.kernel.pgmap.ref.count == 0
    assert sim.kernel.pgmap.ref.dying
    assert sim.kernel.pgmap_array.value is None


@pytest.mark.parametrize(
    ("take", "use"),
    [
        ("pin_user_pages_fast", "unpin_user_pages(r0)"),
        ("get_user_pages_fast", "put_page(r0)"),
        ("pin_user_pages", "unpin_user_pages(r0)"),
    ],
)
def test_a_pin_does_not_hold_it_up_and_is_left_without_its_page(take, use) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)", use]})
    unbind(sim)
    steered = Steered(("a", "gup_folio_next.read" if "unpin" in use else "put_page.read"), ("unbind", ""))
    violation = Stepper(sim.world).run(steered).violation
    assert violation is not None
    assert (violation.kind, violation.tasks) == ("use-after-free", ("a",))


@pytest.mark.parametrize("take", ["pin_user_pages_fast", "pin_user_pages"])
def test_a_call_under_way_holds_it_up(take) -> None:
    sim = simulate({"a": [f"r0 = {take}(file0, 0)"]})
    unbind(sim)
    waits = []
    grab = "try_grab_folio.add" if "fast" in take else "try_grab_page.add"
    run(sim, ("a", grab), ("unbind", ""), lambda: waits.append(sim.world.tasks[1].blocked_on is not None))
    assert waits == [True]
    assert sim.results == [[0]]
    assert sim.kernel.pgmap_array.value is None


def test_the_fast_path_gives_up_once_the_page_map_is_dying() -> None:
    sim = simulate({"a": ["r0 = get_user_pages_fast(file0, 0)"], "k": ["signal(a, SIGKILL)"]})
    add_task(sim, "unbind", sim.kernel.pgmap.ref.kill)
    run(sim, ("unbind", ""), ("a", "get_user_pages_unlocked.lock"), ("k", ""), ("a", ""))
    assert sim.results == [[-4], [0]]
    assert sim.kernel.pages[0].refcount.value == 1


def test_the_slow_path_spins_on_a_dying_page_map_until_it_is_killed() -> None:
    sim = simulate({"a": ["r0 = get_user_pages(file0, 0)"]})
    add_task(sim, "unbind", sim.kernel.pgmap.ref.kill)
    execution = Stepper(sim.world).run(Steered(("unbind", "")), 2_000)
    # The entry is present with the right permission, so the fault has nothing to do.
    assert execution.exhausted
    assert sim.results == [[]]


def test_a_cached_page_map_is_not_looked_up_again() -> None:
    sim = simulate({"a": []})

    async def body() -> bool:
        memremap = sim.kernel.memremap
        first = await memremap.get_dev_pagemap(0, None)
        second = await memremap.get_dev_pagemap(1, first)
        await memremap.put_dev_pagemap(second)
        return first is second

    same = add_task(sim, "x", body)
    execution = Stepper(sim.world).run(Scheduler())
    assert same == [True]
    assert [step.point.verb for step in execution.steps()] == [
        "read_lock",
        "read",
        "tryget_live",
        "read_unlock",
        "put",
    ]
