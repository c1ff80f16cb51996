"""The HTML page, without a browser: what stands where, and that it needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from story_kit import CASES, DEADLOCK, LOCKED_ENTRY, LOST_WAKEUP, proved, story

from daxfuzz.program.dax_file import loads_case
from daxfuzz.triage.formats.page import as_html, lanes
from daxfuzz.triage.formats.page.lanes import Grid, Span
from daxfuzz.triage.formats.page.page import STRIPES, Strip, data, strip_of
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace.places import TOP
from daxfuzz.triage.user_choice import with_patches

LARGEST = 500_000
"""Bytes of a page."""

VOID = {"link", "meta"}


class Page(HTMLParser):
    """Checks that tags close in order; collects links, ids, texts by tag and the data of the script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "a":
            self.links.append(given["href"] or "")
        else:
            self.loads += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open[-1:] == ["script"] and self.tags[-1][1].get("id") == "data":
            self.script += text


@pytest.mark.parametrize("name", CASES)
def test_a_page_is_whole_and_small_and_needs_nothing(name: str) -> None:
    text = as_html(story(name))
    assert len(text.encode()) < LARGEST
    page = Page(text)
    assert page.loads == ["data:,"]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert len(page.ids) == len(set(page.ids))
    assert {f"step-{step.turn}" for step in story(name).trace.steps} <= set(page.ids)
    given = json.loads(page.script)
    assert list(given["tasks"]) == list(story(name).case.program.tasks)
    steps = given["steps"]
    assert [step["turn"] for step in steps] == list(range(len(story(name).trace.steps)))


@pytest.mark.parametrize("name", CASES)
def test_links_lead_to_the_lines_of_the_model(name: str) -> None:
    links = Page(as_html(story(name))).links
    sources = [link for link in links if not link.startswith("#step-")]
    assert len(sources) > len(story(name).trace.steps) / 2
    for link in sources:
        file, line = link.split("#L")
        lines = (TOP / file).read_text().splitlines()
        assert "await" in "".join(lines[int(line) - 4 : int(line) + 6])


def test_the_same_page_every_time() -> None:
    told = story(LOST_WAKEUP)
    again = Story(told.path, told.case, replay_case(told.case, with_patches(told.case.kernel, ())))
    assert as_html(again) == as_html(told)


# The grid


def spans(name: str, kind: str) -> list[Span]:
    return [span for span in Grid(story(name)).spans() if span.kind == kind]


@pytest.mark.parametrize("name", CASES)
def test_bars_of_locks_reach_from_lock_to_unlock(name: str) -> None:
    trace, grid = story(name).trace, Grid(story(name))
    for span in spans(name, "hold"):
        first = next(step for step in trace.steps if grid.row(step.turn) == span.row)
        last = next(step for step in trace.steps if grid.row(step.turn) == span.end - 1)
        assert (first.task, first.object) == (span.lane.name, span.short)
        if span.end < grid.end:
            assert (last.task, last.object) == (span.lane.name, span.short)
    locked = [step for step in trace.steps if any(change.startswith(f"{step.object} taken") for change in step.changed)]
    assert len(spans(name, "hold")) >= len(locked) > 0


@pytest.mark.parametrize("name", CASES)
def test_bars_beside_each_other_do_not_overlap(name: str) -> None:
    places = set()
    for span in spans(name, "hold"):
        assert span.slot < span.lane.locks
        # A lock may be let go in the step before another one is taken.
        for row in range(span.row, span.end):
            assert (span.lane.name, span.slot, row) not in places
            places.add((span.lane.name, span.slot, row))


def test_who_sleeps_to_the_end() -> None:
    grid = Grid(story(LOST_WAKEUP))
    (asleep,) = spans(LOST_WAKEUP, "asleep")
    assert asleep.lane.name == "truncator"
    assert asleep.title == "truncator sleeps on var_waitqueue[0] for page0"
    assert (asleep.row, asleep.end) == (grid.row(75), grid.end)


def test_who_is_blocked_and_by_whom() -> None:
    (titles,) = ({span.title for span in spans(DEADLOCK, "blocked")},)
    assert "pinner waits for mm0.ptl[file0 0], held by truncator" in titles


def test_arrows_go_from_who_wakes_to_who_sleeps() -> None:
    grid = Grid(story(LOCKED_ENTRY))
    wakes = [arrow for arrow in grid.arrows() if arrow.wakes]
    assert [(arrow.source.name, arrow.target.name) for arrow in wakes] == [("pinner", "truncator")]
    assert wakes[0].title == "pinner wakes truncator"
    assert (wakes[0].left, wakes[0].right) == (grid.lanes["pinner"].life, grid.lanes["truncator"].life + 1)
    (asleep,) = spans(LOCKED_ENTRY, "asleep")
    assert asleep.end == wakes[0].row + 1


def test_brackets_join_the_steps_of_constraints() -> None:
    told = story(DEADLOCK)
    grid = Grid(told)
    kept = [each for each in told.constraints if each.before is not None and each.after is not None]
    expected = [(grid.row(each.before or 0), grid.row(each.after or 0) + 1) for each in kept]
    assert [(bracket.row, bracket.end) for bracket in grid.brackets()] == expected != []


def test_the_proof_is_shown() -> None:
    told = proved(LOST_WAKEUP)
    text = as_html(told)
    assert "all 214 interleavings" in text
    assert "Without it, this one passes: pinner*2 truncator*1" in text
    assert '<b>passes</b><i class="t0" style="flex: 2"></i><i class="t1" style="flex: 1"></i>' in text
    assert '<b>fails</b><i class="t0" style="flex: 49"></i><i class="t1" style="flex: 26"></i>' in text
    assert "Add <code>--prove</code>" not in text
    assert "Add <code>--prove</code>" in as_html(story(LOST_WAKEUP))


def test_a_run_of_many_switches_is_no_strip() -> None:
    assert strip_of("passes", [0, 0, 1, 0]) == Strip("passes", ((0, 2), (1, 1), (0, 1)))
    assert strip_of("passes", [0, 1] * STRIPES) is None


def test_of_a_long_execution_the_middle_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SHOWN", 20)
    told = story(LOCKED_ENTRY)
    grid = Grid(told)
    turns = len(told.trace.steps)
    assert grid.left_out == turns - 20
    rows = [grid.row(step.turn) for step in grid.steps]
    assert rows == [*range(2, 12), *range(13, 23)]
    assert {grid.row(turn) for turn in range(10, turns - 10)} == {grid.gap} == {12}
    assert f"{turns - 20:,} steps are not shown" in as_html(told)
    state = replayed_state(data(told, grid))
    assert state == {name: value for name, value in final_state(told).items() if name in state}
    for span in grid.spans():
        assert 2 <= span.row < span.end <= grid.end == 23
        assert span.row != grid.gap or span.end > grid.gap + 1


def replayed_state(document: dict[str, Any]) -> dict[str, str | None]:
    """The state after the last step, as the script gets it."""
    state = dict(document["state"])
    for step in document["steps"]:
        state |= step["state"]
    return state


def final_state(told: Story) -> dict[str, str | None]:
    state: dict[str, str | None] = dict(told.trace.state)
    for step in told.trace.steps:
        state |= step.state
    return state


# Text of strangers

MINE = '''\
from daxfuzz.kernel.gup import Gup
from daxfuzz.protocols.patch import Patch


class Mine(Patch):
    """</script><script>alert(1)</script>"""

    class gup(Gup):
        async def pte_unchanged(self, mm, address, pte):
            """</script><!-- <b>"""
            return await mm.slots[address].read() == pte
'''

CASE = """\
daxfuzz = 1
protocol = "pin-wait-fixed"
patches = ["mine.py:Mine"]
finding = "none"

[tasks]
getter = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]
"""


def test_sources_of_a_user_are_text(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    case = loads_case(CASE)
    told = Story("case.dax", case, replay_case(case, with_patches(case.kernel, (str(mine),))))
    page = Page(as_html(told))
    sources = json.loads(page.script)["sources"]
    assert any("</script><!-- <b>" in source["text"] for source in sources)
    assert str(tmp_path) not in as_html(told)
    assert any(link.startswith("mine.py#L") for link in page.links)
