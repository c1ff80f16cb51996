"""``daxfuzz list``: what there is, one line each."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator

import click

from daxfuzz.cli.options import json_option, print_json
from daxfuzz.kernel.kernel import FILESYSTEMS, SUBSYSTEMS
from daxfuzz.oracles.registry import ORACLES
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PATCHES, PROTOCOLS, SERIES
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.render import shown_function

Entry = dict[str, str]
"""The first value is the name, the others are columns."""


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
    """Historical bugs."""
    yield from ()


def filesystems() -> Iterator[Entry]:
    """File systems, for --filesystem."""
    for name in FILESYSTEMS:
        yield {"name": name, "summary": summary_of(sys.modules[SUBSYSTEMS[name].__module__])}


def operations() -> Iterator[Entry]:
    """Operations of programs."""
    for signature in SIGNATURES.values():
        yield {"name": str(signature), "summary": signature.summary}


def functions() -> Iterator[Entry]:
    """Kernel functions of the base that take steps, which patches can change."""
    for name, cls in SUBSYSTEMS.items():
        files = re.search(r"\(([^)]*)\)", summary_of(sys.modules[cls.__module__]))
        # The first of the files that the subsystem's module names is the one that it models.
        file = files[1].split(",")[0].split(" and ")[0] if files else ""
        for base in reversed(cls.__mro__):
            for function, member in vars(base).items():
                if inspect.iscoroutinefunction(member) and getattr(cls, function) is member:
                    yield {
                        "name": shown_function(function, {}),
                        "subsystem": name,
                        "file": file,
                        "summary": summary_of(member),
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


def add(name: str, entries: Callable[[], Iterator[Entry]], note: str = "") -> None:
    """A command that lists something; `note` is said on stderr if there is nothing."""

    @list_group.command(name, help=summary_of(entries), epilog=f"Example: daxfuzz list {name}")
    @json_option
    def command(as_json: bool) -> int:
        found = list(entries())
        if as_json:
            print_json(found)
            return 0
        for line in columns(found):
            click.echo(line)
        if not found:
            click.echo(note, err=True)
        return 0


def columns(entries: list[Entry]) -> Iterator[str]:
    """Lines with aligned columns; columns that are empty throughout are left out."""
    keys = [key for key in (entries[0] if entries else {}) if any(entry[key] for entry in entries)]
    widths = [max(len(entry[key]) for entry in entries) for key in keys]
    for entry in entries:
        yield "  ".join(entry[key].ljust(width) for key, width in zip(keys, widths, strict=True)).rstrip()


for _what in (protocols, patches, filesystems, operations, functions, strategies, oracles):
    add(_what.__name__, _what)
add("bugs", bugs, "no historical bugs yet; a protocol without one of its repairs has the flaw: see list patches")
