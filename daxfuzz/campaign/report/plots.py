"""The curves of a campaign, as SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from daxfuzz.campaign.findings import Known
from daxfuzz.campaign.report.history import History
from daxfuzz.campaign.survival import kaplan_meier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 6.4, 3.2
"""Inches of a picture."""

ROW = 0.22
"""Inches of a finding in a list of them."""

MOST_ROWS = 60
COLORS = 10
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture. text: what it shows, for who cannot see it and as its caption."""

    name: str
    title: str
    text: str
    svg: str


def plots(history: History, findings: Sequence[Known]) -> list[Plot]:
    """All pictures for which there is something to show."""
    found: list[Plot] = []
    if len(history.moments) > 1:
        last = history.moments[-1]
        found.append(
            drawn(
                "time",
                "Features and findings over time",
                f"{last.features:,} features and {findings_in(history)} after {hours(last.seconds)}. A flat "
                "curve of features says that this campaign has seen what it can see.",
                lambda axes: over_time(axes, history),
            )
        )
        found.append(
            drawn(
                "corpus",
                "Corpus growth",
                f"{last.inputs:,} inputs were kept in {last.executions:,} executions, each for a feature that no other "
                "had shown.",
                lambda axes: corpus(axes, history),
            )
        )
    if findings:
        shown = sorted(findings, key=lambda each: each.executions)[:MOST_ROWS]
        found.append(
            drawn(
                "executions",
                "Executions to each finding",
                "How many executions of the whole campaign it took until each finding was first seen.",
                lambda axes: executions(axes, shown),
                max(HEIGHT, 1.0 + ROW * len(shown)),
            )
        )
    if history.tries:
        found.append(
            drawn(
                "survival",
                "Survival curves",
                "The share of findings that each way of looking has not shown yet, by its own executions on the "
                "kernel (Kaplan-Meier). Lower is better.",
                lambda axes: survival(axes, history),
            )
        )
    return found


def findings_in(history: History) -> str:
    """How many findings there were."""
    return "1 finding" if len(history.found) == 1 else f"{len(history.found):,} findings"


def hours(seconds: float) -> str:
    """A time for a caption."""
    return f"{seconds / HOUR:.1f} hours" if seconds >= HOUR else f"{seconds / 60:.1f} minutes"


def drawn(name: str, title: str, text: str, draw: Callable[[Axes], None], height: float = HEIGHT) -> Plot:
    """A picture with one set of axes."""
    # Importing it takes longer than most commands.
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text, and the same figures give the same page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9}):
        figure = Figure((WIDTH, height), layout="constrained")
        draw(figure.subplots())
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Plot(name, title, text, out.getvalue().partition("<svg")[1] + out.getvalue().partition("<svg")[2])


def time_scale(seconds: float) -> tuple[float, str]:
    """By what to divide seconds, and what that is."""
    scales = ((HOUR, "hours"), (60.0, "minutes"))
    return next((scale for scale in scales if seconds >= scale[0]), (1.0, "seconds"))


def over_time(axes: Axes, history: History) -> None:
    """Features as a curve, findings as steps on an axis of their own."""
    from matplotlib.ticker import MaxNLocator

    scale, unit = time_scale(history.moments[-1].seconds)
    axes.plot([each.seconds / scale for each in history.moments], [each.features for each in history.moments], "C0")
    axes.set_xlabel(f"{unit} of the campaign")
    axes.set_ylabel("features", color="C0")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    other = axes.twinx()
    end = max([history.moments[-1].seconds, *(at for at, _ in history.found)])
    times = [0.0, *(at / scale for at, _ in history.found), end / scale]
    other.step(times, [0, *range(1, len(history.found) + 1), len(history.found)], "C3", where="post")
    other.set_ylabel("findings", color="C3")
    other.set_ylim(bottom=0, top=max(len(history.found), 1) * 1.1)
    other.yaxis.set_major_locator(MaxNLocator(integer=True))
    for at, alive in history.hunts:
        if not alive:
            axes.axvline(at / scale, color="C3", linestyle=":")


def corpus(axes: Axes, history: History) -> None:
    """Inputs by executions."""
    axes.plot([each.executions for each in history.moments], [each.inputs for each in history.moments], "C2")
    axes.set_xlabel("executions")
    axes.set_ylabel("inputs")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def executions(axes: Axes, findings: Sequence[Known]) -> None:
    """A line for each finding, the first one on top."""
    rows = range(len(findings), 0, -1)
    counts = [each.executions for each in findings]
    axes.hlines(rows, 1, counts, color="C0", linewidth=1)
    axes.plot(counts, rows, "o", color="C0", markersize=4)
    axes.set_yticks(list(rows), [label(each) for each in findings], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("executions")


def label(known: Known) -> str:
    """A finding in a few words."""
    cause = "+".join(known.explained_by) or "new"
    text = f"{known.kind}: {cause}"
    return text if len(text) <= 48 else f"{text[:47]}…"


def survival(axes: Axes, history: History) -> None:
    """A curve for each way of looking."""
    for number, way in enumerate(ways(history)):
        mine = [each for each in history.tries if each.way == way]
        curve = kaplan_meier([each.executions for each in mine], [each.censored for each in mine])
        steps, shares = (1.0, *curve.executions), (1.0, *curve.shares)
        line = "-" if number < COLORS else "--"
        axes.step(steps, shares, where="post", label=way, color=f"C{number % COLORS}", linestyle=line)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("executions of this way on the kernel")
    axes.set_ylabel("share not found")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))


def ways(history: History) -> Iterable[str]:
    """The ways of looking, in the order of their names."""
    return sorted(dict.fromkeys(each.way for each in history.tries))
