"""The page: what the template fills in."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from daxfuzz import __version__
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.document import document
from daxfuzz.campaign.findings import CASE, REPORT, Known
from daxfuzz.campaign.report.history import history
from daxfuzz.campaign.report.plots import plots
from daxfuzz.campaign.risk import SHARES, depth_risks, unseen_features

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True, slots=True)
class Row:
    """A finding as the page shows it. case, table: texts; replay: the command for it."""

    known: Known
    number: int
    hits: int
    kernels: list[str]
    case: str
    table: str
    replay: str

    @property
    def new(self) -> bool:
        """Whether nothing that is known explains it."""
        return not self.known.explained_by and not self.known.stale


def as_html(directory: Directory) -> str:
    """The whole page. Raises OSError."""
    course = history(directory.stats.lines(), directory.findings)
    found = rows(directory)
    return _template().render(
        directory=directory,
        totals=directory.totals,
        figures=document(directory),
        rows=found,
        fresh=[row for row in found if row.new],
        plots=plots(course, list(directory.findings.known.values())),
        unseen=unseen_features(directory),
        risks=depth_risks(directory),
        shares=SHARES,
        version=__version__,
        duration=duration,
        share=share,
    )


@cache
def _template() -> Template:
    # What it takes to import jinja2 is for those who want a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("daxfuzz.campaign.report", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html")


def rows(directory: Directory) -> list[Row]:
    """The findings, those that nothing explains first, stale ones last."""
    counts = directory.counts()
    known = sorted(directory.findings.known.values(), key=lambda each: (bool(each.stale), bool(each.explained_by)))
    return [row(directory, each, number, counts[each.signature]) for number, each in enumerate(known, 1)]


def row(directory: Directory, known: Known, number: int, counts: dict[str, int]) -> Row:
    """One finding."""
    where = directory.findings.path(known)
    kernel = directory.kernels.get(known.kernel)
    files = [part for file in (kernel.files if kernel is not None else ()) for part in ("--patch", file)]
    return Row(
        known=known,
        number=number,
        hits=sum(counts.values()),
        kernels=sorted(dict.fromkeys(symptom[0] for symptom in known.symptoms)),
        case=text_of(where / CASE),
        table=text_of(where / REPORT),
        replay=shlex.join(["daxfuzz", "repro", str(where / CASE), *files]),
    )


def text_of(path: Any) -> str:
    """What a file says, or that it is not there."""
    try:
        return str(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"({path.name}: {error.strerror})"


def duration(seconds: float) -> str:
    """A time for a reader."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" * bool(days), f"{hours} h" * bool(hours or days), f"{minutes} min" * bool(minutes or hours)]
    return " ".join(part for part in parts if part) if seconds >= 60 else f"{rest} s"


def share(value: float) -> str:
    """A probability for a reader."""
    if 0.995 <= value < 1:
        return "> 99 %"
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{value:.2g}"
