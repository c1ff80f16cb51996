"""What somebody sees who looks on: a display that fits a small terminal, and lines where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from campaign_kit import EASY, LOUD, campaign
from rich.console import Console

from daxfuzz.campaign.conductor import Conductor, Limits, News
from daxfuzz.cli.campaign_display import dashboard, news, progress


@pytest.fixture(scope="module")
def conductor(tmp_path_factory) -> Conductor:
    """A campaign with a finding, many of which differ in nothing but their names."""
    config = replace(LOUD, executions=40, canary=EASY)
    config = replace(config, strategies=("random", "pct-2", "pct-3", "pos", "surw", "rff", "delays"))
    done = campaign(tmp_path_factory.mktemp("display") / "c", config, limits=Limits(finish_triage=True))
    known = next(iter(done.directory.findings.known.values()))
    for number in range(40):
        other = replace(known, signature=f"{known.signature}-{'long' * 30}-{number}", kind=f"kind-{number % 12}")
        done.directory.findings.known[other.signature] = other
    done.state.news.append(News("the canary is dead: " + "x" * 200, loud=True))
    return done


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 50), (120, 40)])
def test_the_display_fits(conductor: Conductor, width: int, height: int) -> None:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(dashboard(conductor, height))
    lines = captured.get().splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("executions", "per second", "features", "findings", "canary", "alive", "kinds:", "portfolio/random"):
        assert word in text
    assert "the canary is dead" in text, "what is loud is always there"


def test_lines_for_who_has_no_terminal(conductor: Conductor) -> None:
    assert "canary alive" in progress(conductor)
    assert news(conductor)[-1].startswith("WARNING: the canary is dead")
    assert any(line.startswith("new: leak/") for line in news(conductor))


def test_a_full_disk_comes_first(conductor: Conductor, tmp_path: Path) -> None:
    conductor.state.disk_full = "No space left on device"
    assert progress(conductor).startswith("DISK FULL, ")
    conductor.state.disk_full = ""
