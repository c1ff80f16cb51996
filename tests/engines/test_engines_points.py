"""Points of the model: which there are and which a run reaches."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import pytest
from oracle_kit import program

from daxfuzz.engines.points import PlaceRecorder, all_places
from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.page import Page
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.compose import compose
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import PROTOCOLS, build
from daxfuzz.search import Replay
from daxfuzz.sim import Scheduler
from daxfuzz.triage.bench import Bench, KernelChoice

BUSY = program(
    {
        "getter": ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)", "store(file0, 0)", "munmap(file0)"],
        "truncator": ["fsync(file0)", "truncate(file0, 0)"],
    }
)


class ReadTwice(Patch):
    """dax: Read the count twice."""

    class dax(Dax):
        async def page_idle(self, page: Page) -> bool:
            await page.refcount.read()
            return await page.refcount.read() == 1


class ReadBefore(Patch):
    """dax: Read the count once more, and then as before."""

    class dax(Dax):
        async def page_idle(self, page: Page) -> bool:
            await page.refcount.read()
            return await super().page_idle(page)


class OwnCoroutine(Patch):
    """dax: Read through a function that is named as a primitive, and wait in a function inside."""

    adds: ClassVar = {"dax": ("read",)}

    class dax(Dax):
        async def read(self) -> bool:
            return True

        async def page_idle(self, page: Page) -> bool:
            async def inside() -> int:
                return await page.refcount.read()

            return await self.read() and await inside() == 1


def reached(protocol: str) -> set:
    bench = Bench(BUSY, KernelChoice(KernelSpec(protocol)))
    recorder = PlaceRecorder(Scheduler())
    bench.run(recorder)
    return set(recorder.places)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_reaches_some_of_the_points_there_are(protocol) -> None:
    total = all_places(build(protocol, ()), "ext4")
    here = reached(protocol)
    assert len(here) > 40
    assert here < total


def test_points_are_lines_of_functions_of_the_model() -> None:
    places = all_places(build("pin-wait", ()), "ext4")
    functions = {function for function, _ in places}
    assert {"Gup.gup_pte_range", "Dax.dax_busy_page", "Ext4.ext4_map_blocks"} <= functions
    assert all(line > 0 for _, line in places)


def of(name: str, *patches: type[Patch]) -> Counter[str]:
    places = all_places(compose(patches), "ext4")
    return Counter(function for function, _ in places if function.endswith(f".{name}"))


def test_a_function_that_a_patch_overrides_is_counted_once() -> None:
    assert of("page_idle") == {"Dax.page_idle": 1}
    assert of("page_idle", ReadTwice) == {"ReadTwice.dax.page_idle": 2}


def test_a_function_that_a_patch_goes_on_to_counts_too() -> None:
    assert of("page_idle", ReadBefore) == {"ReadBefore.dax.page_idle": 1, "Dax.page_idle": 1}


def test_a_coroutine_with_the_name_of_a_primitive_is_no_point_but_what_a_function_inside_awaits_is() -> None:
    assert of("page_idle", OwnCoroutine) == {"OwnCoroutine.dax.page_idle": 1}


def test_points_of_a_function_inside_are_reached() -> None:
    name = "FixUnbindWaits.memremap.wait_page_unused"
    points = {place for place in all_places(build("refcount-1-fixed", ()), "ext4") if place[0] == name}
    bench = Bench(program({"u": ["unbind()"]}), KernelChoice(KernelSpec("refcount-1-fixed")))
    recorder = PlaceRecorder(Scheduler())
    bench.run(recorder)
    assert {place for place in recorder.places if place[0] == name} == points
    assert len(points) == 2


def test_recording_changes_no_turn() -> None:
    bench = Bench(BUSY, KernelChoice(KernelSpec("pin-wait")))
    plain = bench.run(Scheduler())
    assert bench.run(PlaceRecorder(Scheduler())).digest() == plain.digest()
    replayed = PlaceRecorder(Replay(plain.turns))
    bench.run(replayed)
    assert set(replayed.places) == reached("pin-wait")
