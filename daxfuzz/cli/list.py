"""``daxfuzz list``: what there is, one line each."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator

import click

from daxfuzz.cli.options import json_option, print_json
from daxfuzz.kernel.kernel import FILESYSTEMS, SUBSYSTEMS
from daxfuzz.oracles.registry import ORACLES
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.protocols.catalogue import model_functions
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import BUGS, PATCHES, PROTOCOLS, SERIES
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.trace import shown_function

Entry = dict[str, str | list[str]]
"""The first value is the name, the others are columns. A line refers to notes by number, and leaves out DETAILS."""

NOTES = "deviations"
"""The key of what is long and repeated."""

DETAILS = ("filesystems", "kinds")
"""Keys that only the JSON form has."""


def protocols() -> Iterator[Entry]:
    """Generations of the protocol, for --protocol."""
    for protocol in PROTOCOLS.values():
        yield {"name": protocol.name, "summary": protocol.summary}
    for name, patches in SERIES.items():
        yield {"name": f"{name}:N", "summary": f"refcount-1 and the first N of {len(patches)} patches"}


def patches() -> Iterator[Entry]:
    """Patches and repairs, for --patch."""
    for name, patch in PATCHES.items():
        flaw = patch.flaw if issubclass(patch, Repair) else ""
        yield {"name": name, "flaw": flaw, "summary": patch.title()}


def bugs() -> Iterator[Entry]:
    """Historical bugs, for --bug: each is a -fixed protocol without one fix."""
    for name, bug in BUGS.items():
        yield {
            "slug": name,
            "title": bug.title(),
            "fix": bug.fix,
            "release": bug.release,
            "class": bug.category,
            "protocols": list(bug.protocols),
            "filesystems": list(bug.filesystems),
            "kinds": list(bug.kinds),
        }


def filesystems() -> Iterator[Entry]:
    """File systems, for --filesystem."""
    for name, subsystem in FILESYSTEMS.items():
        yield {"name": name, "summary": summary_of(sys.modules[SUBSYSTEMS[subsystem].__module__])}


def operations() -> Iterator[Entry]:
    """Operations of programs."""
    for signature in SIGNATURES.values():
        yield {"name": str(signature), "summary": signature.summary}


def functions() -> Iterator[Entry]:
    """Functions of the model, with the kernel file and version that was read, and what is known to differ from it."""
    for function in model_functions():
        yield {
            "name": shown_function(function.name, {}),
            "subsystem": function.subsystem,
            "file": function.file,
            "version": function.version,
            "patch": function.patch.slug() if function.patch is not None else "",
            "deviations": list(function.deviations),
            "summary": function.summary,
        }


def strategies() -> Iterator[Entry]:
    """Ways to search, for --strategy."""
    for name, strategy in STRATEGIES.items():
        yield {"name": name, "summary": strategy.summary}


def oracles() -> Iterator[Entry]:
    """Kinds of findings, and what must hold."""
    for oracle in ORACLES:
        for kind in oracle.kinds:
            yield {"name": kind, "summary": oracle.summary()}
    yield {"name": "use-after-free", "summary": "Nothing is accessed after it was freed."}


def summary_of(documented: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").split("\n")[0]


@click.group("list", epilog="Example: daxfuzz list functions")
def list_group() -> None:
    """What there is, one line each."""


def add(name: str, entries: Callable[[], Iterator[Entry]]) -> None:
    """A command that lists something."""

    @list_group.command(name, help=summary_of(entries), epilog=f"Example: daxfuzz list {name}")
    @json_option
    def command(as_json: bool) -> int:
        found = list(entries())
        if as_json:
            print_json(found)
            return 0
        for line in columns(found):
            click.echo(line)
        return 0


def columns(entries: list[Entry]) -> Iterator[str]:
    """Lines with aligned columns, empty ones left out; then notes, as numbered lines below."""
    notes: dict[str, int] = {}
    rows = [{key: cell(key, value, notes) for key, value in entry.items() if key not in DETAILS} for entry in entries]
    keys = [key for key in (rows[0] if rows else {}) if any(row[key] for row in rows)]
    widths = [max(len(row[key]) for row in rows) for key in keys]
    for row in rows:
        yield "  ".join(row[key].ljust(width) for key, width in zip(keys, widths, strict=True)).rstrip()
    if notes:
        yield ""
        yield "Known deviations:"
    for note, number in notes.items():
        yield f"[{number}] {note}"


def cell(key: str, value: str | list[str], notes: dict[str, int]) -> str:
    """What stands in a column; notes are numbered in `notes`."""
    if isinstance(value, str):
        return value
    if key != NOTES:
        return " ".join(value)
    return " ".join(f"[{notes.setdefault(each, len(notes) + 1)}]" for each in value)


for _what in (protocols, patches, bugs, filesystems, operations, functions, strategies, oracles):
    add(_what.__name__, _what)
