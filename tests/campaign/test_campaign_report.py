"""The report: what it says of a campaign, and what it estimates of what nobody has seen."""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from campaign_kit import EASY, LOUD, SILENT, campaign
from cli_kit import assert_one_line, run, run_json

from daxfuzz.campaign.conductor import Limits
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import Findings, Known
from daxfuzz.campaign.pending import Failure
from daxfuzz.campaign.report import as_html
from daxfuzz.campaign.report.history import Try, history, moments, thinned
from daxfuzz.campaign.risk import DepthRisk, Unseen
from daxfuzz.engines.jobs import RawFailure, Symptom
from daxfuzz.program.case import Call, Program, Setup


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A campaign with a finding and a canary."""
    path = tmp_path_factory.mktemp("report") / "c"
    config = replace(LOUD, strategies=("random",), canary=EASY, executions=60)
    campaign(path, config, limits=Limits(finish_triage=True))
    return path


class Page(HTMLParser):
    """What a page has and needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.needs: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        for name, value in attrs:
            if name in ("src", "srcset", "data", "action") or (name == "href" and tag == "link"):
                self.needs.append(value)
            if name == "id" and tag in ("section", "figure", "h1"):
                self.ids.append(value)
            if name == "href" and tag == "a":
                self.links.append(value)


def test_the_page_has_everything_and_needs_nothing(place: Path) -> None:
    text = as_html(Directory(place))
    page = Page(text)
    assert page.needs == []
    assert "@import" not in text
    assert "url(http" not in text
    for name in ("verdict", "findings", "curves", "risk", "finding-1"):
        assert name in page.ids
    assert [each for each in page.ids if each.startswith("plot-")] == [
        "plot-time",
        "plot-corpus",
        "plot-executions",
        "plot-survival",
    ]
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_each_finding_has_its_table_and_its_replay_command(place: Path) -> None:
    directory = Directory(place)
    text = as_html(directory)
    for known in directory.findings.known.values():
        case = directory.findings.path(known) / "case.dax"
        assert f"daxfuzz repro {case}" in text
        assert known.message.replace("'", "&#39;") in text
        assert directory.findings.path(known).joinpath("report.txt").read_text().splitlines()[3] in unescape(text)


def test_it_says_first_what_matters_most(place: Path, tmp_path: Path) -> None:
    assert re.search(r'id="verdict">\d+ findings?, all of known flaws<', as_html(Directory(place)))
    silent = tmp_path / "silent"
    campaign(silent, SILENT, slices=1)
    assert 'id="verdict">No finding in ' in as_html(Directory(silent))
    dead = tmp_path / "dead"
    shutil.copytree(place, dead)
    with (dead / "stats" / "campaign.jsonl").open("a") as file:
        file.write('{"event":"canary","alive":false,"executions":20,"t":1000.0}\n')
    assert 'id="verdict">The canary is dead' in as_html(Directory(dead))


def test_failures_that_wait_are_no_silence(tmp_path: Path) -> None:
    conductor = campaign(tmp_path, SILENT, slices=1)
    assert "wait" not in verdict_of(tmp_path)
    assert "With 95 % confidence" in as_html(Directory(tmp_path))
    (kernel, choice), *_ = conductor.directory.kernels.items()
    program = Program({"t0": (Call("load", ("file0", 0)),)}, Setup({"file0": 1}))
    raw = RawFailure(0, choice, Symptom("leak", "f", ""), program, (0,), "random")
    conductor.directory.pending.add(Failure(raw, kernel, "portfolio", 1, 1))
    assert re.fullmatch(r"No finding in \d+ executions; 1 failure waits for triage", verdict_of(tmp_path))
    assert "With 95 % confidence" not in as_html(Directory(tmp_path))


def verdict_of(directory: Path) -> str:
    match = re.search(r'id="verdict">([^<]*)<', as_html(Directory(directory)))
    assert match
    return match[1]


def test_the_command(place: Path, tmp_path: Path) -> None:
    result = run("report", place)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{place / 'report.html'}\n"
    assert run("report", place, "--output", tmp_path / "x.html").exit_code == 0
    assert (tmp_path / "x.html").read_text() == (place / "report.html").read_text()
    document = run_json("report", place)
    assert document["findings"][0]["hits"]
    assert json.dumps(document["unseen"])
    (tmp_path / "empty").mkdir()
    assert_one_line(run("report", tmp_path / "empty"), "campaign.toml", "cannot be read")


# Estimates


def test_good_turing_foretells_how_much_is_new() -> None:
    """Draws of features whose frequencies are known: the estimate is near what the next draws bring."""
    rng = random.Random(0)
    chances = [0.5 / (index + 1) for index in range(400)]
    seen: dict[int, int] = {}
    drawn = 300

    def draw() -> int:
        new = 0
        for feature, chance in enumerate(chances):
            if rng.random() < chance:
                new += feature not in seen
                seen[feature] = seen.get(feature, 0) + 1
        return new

    for _ in range(drawn):
        draw()
    counts = list(seen.values())
    unseen = Unseen(drawn, len(seen), counts.count(1), counts.count(2))
    truth = len(chances) - len(seen)
    expected = sum(chance for feature, chance in enumerate(chances) if feature not in seen)
    assert unseen.next_new == pytest.approx(expected, rel=0.35)
    assert 0.5 * truth < unseen.at_least < 1.3 * truth


def test_nothing_is_said_of_what_nobody_has_looked_at() -> None:
    assert Unseen(0, 0, 0, 0).next_new == float("inf")
    assert Unseen(100, 50, 0, 10).next_new == 0


def test_the_guarantee_of_pct() -> None:
    risk = DepthRisk(3, 1_000_000, 3.0, 100.0)
    assert risk.chance == pytest.approx(1 / (3 * 100**2))
    assert risk.unseen(1.0) == pytest.approx((1 - 1 / 30_000) ** 1_000_000)
    assert risk.unseen(0.001) == pytest.approx((1 - 0.001 / 30_000) ** 1_000_000)
    assert risk.unseen(0.001) > risk.unseen(0.1) > risk.unseen(1.0)


# The course


def line(number: int, strategy: str, executions: int, hits: list[list[object]], new: int = 1) -> dict[str, object]:
    return {
        "event": "slice",
        "t": float(number),
        "kernel": "k",
        "engine": "portfolio",
        "strategy": strategy,
        "executions": executions,
        "new": new,
        "inputs": new,
        "hits": hits,
    }


def test_how_long_each_way_took_for_each_finding(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    known = Known("leak/f/new", "leak", "", (), "k", "portfolio", "a", 1, 1, 1.0, 1.0, "v", 1, 1, 1, 1, 1)
    findings.add(known, "", "", "")
    findings.also(known.signature, "k", Symptom("leak", "f", ""))
    lines = [
        line(3, "a", 30, [["leak", "f", "", 2]]),
        line(1, "a", 10, [["other", "f", "", 1]]),
        line(2, "b", 20, []),
        {"event": "finding", "t": 3.5, "signature": known.signature},
        {"event": "canary", "t": 0.5, "alive": True},
    ]
    course = history([("w0", each) for each in lines], findings)
    assert course.tries == [Try("portfolio/a", 40, False), Try("portfolio/b", 20, True)]
    assert [each.executions for each in course.moments] == [0, 10, 30, 60]
    assert course.found == [(3.5, known.signature)]
    assert course.hunts == [(0.5, True)]


def test_a_long_course_is_thinned() -> None:
    found = moments([line(number, "a", 1, []) for number in range(10_000)])
    shown = thinned(found)
    assert 500 < len(shown) < 1_300
    assert (shown[0], shown[-1]) == (found[0], found[-1])
