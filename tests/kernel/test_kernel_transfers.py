"""Pipes and direct reads: references that outlive the call that took them."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate
from oracle_kit import assert_silent, found, program, trip
from oracle_kit import simulate as watched

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.splice import Splice
from daxfuzz.oracles.hang import waits
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.protocols.patch import Patch


def test_a_page_stays_in_the_pipe_until_somebody_reads_it() -> None:
    sim = simulate({"a": ["store(file0, 0)", "vmsplice(file0, 0)"], "b": ["pipe_read()", "pipe_read()"]})
    page = sim.kernel.pages[0]
    seen = []
    run(sim, ("a", ""), lambda: seen.append((page.refcount.value, len(list(sim.references())))), ("b", ""))
    assert seen == [(2, 1)]
    assert sim.results == [[1000, 0], [1000, -11]]
    assert page.refcount.value == 1


def test_a_hole_puts_the_zero_page_into_the_pipe() -> None:
    of = program({"a": ["vmsplice(file0, 0)", "pipe_read()"], "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]})
    sim = watched(of, protocol="refcount-1-fixed")
    run(sim, ("t", ""), ("a", ""))
    assert sim.results[0] == [0, 0]
    assert sim.kernel.zero_folio.refcount.value == 1
    assert_silent(sim)


def test_a_full_pipe_takes_no_more() -> None:
    sim = simulate({"a": ["vmsplice(file0, 0)"] * 3})
    run(sim)
    assert sim.results == [[0, 0, -11]]
    assert sim.kernel.pages[0].refcount.value == 3


def test_a_failed_gup_leaves_the_pipe_as_it_was() -> None:
    sim = simulate({"a": ["munmap(file0)", "vmsplice(file0, 0)"]})
    run(sim)
    assert sim.results == [[0, -14]]
    assert sim.kernel.pipe.bufs.value == ()


def test_a_direct_read_holds_its_pages_until_the_device_has_filled_them() -> None:
    tasks = {"a": ["direct_read(file0, 0, 2)", "load(file0, 0)"], "dev": ["bio_endio()", "bio_endio()"]}
    sim = simulate(tasks, files={"file0": 2})
    counts = []

    def look() -> None:
        counts.append([page.refcount.value for page in sim.kernel.pages[:2]])

    run(sim, ("a", "walk.read"), look, ("dev", ""), look, ("a", ""))
    assert counts == [[2, 2], [1, 1]]
    assert sim.results == [[2, 1000], [1000, 1000]]


def test_a_direct_read_is_as_long_as_what_can_be_had() -> None:
    tasks = {"t": ["truncate(file0, 1)"], "a": ["direct_read(file0, 0, 2)", "direct_read(file0, 1, 1)"]}
    sim = simulate(tasks, files={"file0": 2})
    run(sim, ("t", ""), ("a", ""))
    assert sim.results[1] == [1, -14]


def test_an_idle_device_hangs_nobody() -> None:
    sim = watched(program({"dev": ["bio_endio()"], "a": ["load(file0, 0)"]}), protocol="refcount-1-fixed")
    assert_silent(sim)
    assert sim.stuck() == []


@pytest.mark.parametrize(
    "holder",
    [["vmsplice(file0, 0)"], ["direct_read(file0, 0, 1)"], ["munmap(file0)", "mmap(file0)", "vmsplice(file0, 0)"]],
)
def test_a_wait_for_what_a_pipe_or_a_device_holds_is_no_deadlock(holder) -> None:
    sim = watched(program({"a": holder, "t": ["truncate(file0, 0)"]}), protocol="refcount-1-fixed")
    assert_silent(sim)
    run(sim, ("a", ""), ("t", ""))
    (wait,) = waits(sim)
    assert [task.name for task, _ in wait.holders] == ["a"]
    assert wait.waits_for == ()


def test_a_device_ends_the_wait() -> None:
    tasks = {"a": ["direct_read(file0, 0, 1)"], "dev": ["bio_endio()"], "t": ["truncate(file0, 0)"]}
    sim = watched(program(tasks), protocol="refcount-1-fixed")
    assert_silent(sim)
    run(sim, ("a", ""), ("t", ""), ("dev", ""))
    assert sim.results[2] == [0]


class KeepWhileWaiting(Patch):
    """mm: vmsplice waits for i_rwsem while it has the page."""

    class splice(Splice):
        async def vmsplice_to_pipe(self, mm: Mm, inode, index: int, address: int) -> int:
            pages = await self.k.gup.internal_get_user_pages_fast(mm, range(address, address + 1), Foll.GET)
            if isinstance(pages, int):
                return pages
            await inode.i_rwsem.down_write()
            await inode.i_rwsem.up_write()
            await self.k.memremap.put_page(pages[0])
            return 0


class ForgetPut(Patch):
    """block: Do not put the pages of a bio."""

    class memremap(Memremap):
        async def put_page(self, page: Page) -> None:
            await page.head.read()


def test_a_reference_that_a_call_under_way_has_is_an_edge() -> None:
    # truncate waits for the page with i_rwsem held, and the call that has the page waits for i_rwsem.
    of = program({"a": ["vmsplice(file0, 0)"], "t": ["truncate(file0, 0)"]})
    violation = trip(watched(of, KeepWhileWaiting, protocol="refcount-1-fixed"), "deadlock")
    assert set(violation.tasks) == {"a", "t"}
    assert found(watched(of, protocol="refcount-1-fixed"), "deadlock") is None


@pytest.mark.parametrize("tasks", [["vmsplice(file0, 0)", "pipe_read()"], ["direct_read(file0, 0, 1)", "bio_endio()"]])
def test_a_reference_that_is_never_dropped_is_a_leak(tasks) -> None:
    trip(watched(program({"a": tasks}), ForgetPut, protocol="refcount-1-fixed"), "leak", simple=1, random=0)


RACES = [
    {"a": ["vmsplice(file0, 0)", "store(file0, 0)"], "b": ["pipe_read()"], "t": ["truncate(file0, 0)"]},
    {
        "a": ["direct_read(file0, 0, 1)", "load(file0, 0)", "load(file0, 0)"],
        "dev": ["bio_endio()"],
        "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"],
    },
    {
        "a": ["mmap(file0, MAP_PRIVATE)", "direct_read(file0, 0, 1)", "load(file0, 0)", "fork(c)", "load(file0, 0)"],
        "dev": ["bio_endio()"],
        "c": ["load(file0, 0)", "store(file0, 0)", "exit()"],
    },
]


@pytest.mark.parametrize("tasks", RACES)
def test_what_pipes_and_devices_hold_is_waited_for_in_every_order(tasks) -> None:
    sim = watched(program(tasks), protocol="refcount-1-fixed")
    assert_silent(sim, simple=150, random=25)
    assert not any(InFlight.of(sim).holders(page) for page in sim.kernel.pages)
