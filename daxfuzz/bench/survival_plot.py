"""Survival curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from daxfuzz.bench.bugs import Hunt, Run
from daxfuzz.bench.survival import survival

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("pdf", "png", "svg")
COLUMNS = 4
WIDTH, HEIGHT = 3.5, 2.4
"""Inches of one bug's picture."""


def plot(runs: Mapping[Hunt, Run], path: Path) -> None:
    """Draw one picture for each bug, with a Kaplan-Meier curve for each strategy.

    path: its suffix is one of FORMATS. Raises OSError.
    """
    # Importing it takes longer than most commands.
    from matplotlib.figure import Figure

    bugs = list(dict.fromkeys(hunt.bug for hunt in runs))
    strategies = list(dict.fromkeys(hunt.strategy for hunt in runs))
    columns = min(COLUMNS, len(bugs))
    rows = ceil(len(bugs) / columns)
    figure = Figure((WIDTH * columns, HEIGHT * rows), layout="constrained")
    pictures = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes in pictures[len(bugs) :]:
        axes.set_visible(False)
    for axes in pictures[max(len(bugs) - columns, 0) : len(bugs)]:
        # Where nothing is below, though it may not be the last row.
        axes.xaxis.set_tick_params(labelbottom=True)
    for axes, bug in zip(pictures, bugs, strict=False):
        draw(axes, bug, {hunt: run for hunt, run in runs.items() if hunt.bug == bug}, strategies)
    figure.supxlabel("executions")
    figure.supylabel("share of runs that have not found it")
    handles = {
        label: handle for axes in pictures for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend([handles[each] for each in strategies], strategies, loc="outside upper center", ncols=len(strategies))
    figure.savefig(path)


def draw(axes: Axes, bug: str, runs: Mapping[Hunt, Run], strategies: Sequence[str]) -> None:
    """The curves of one bug. strategies: of all bugs; one that has no run yet keeps its colour."""
    for number, strategy in enumerate(strategies):
        of_strategy = [run for hunt, run in runs.items() if hunt.strategy == strategy]
        if of_strategy:
            curve = survival(of_strategy)
            steps, shares = (1.0, *curve.executions), (1.0, *curve.shares)
            axes.step(steps, shares, where="post", label=strategy, color=f"C{number}")
    axes.set_title(bug, fontsize="small")
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
