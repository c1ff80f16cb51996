"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from daxfuzz.cli.errors import OneLineError
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.errors import shown
from daxfuzz.protocols.registry import patch
from daxfuzz.protocols.user_patches import load_patches
from daxfuzz.triage.bench import KernelChoice

F = TypeVar("F", bound=Callable[..., Any])

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_FILE = re.compile(r"(.*\.py)(?::([A-Za-z_]\w*))?")


class Duration(click.ParamType[float]):
    """A time such as 90, 60s, 5m or 2h, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(value)
        if match is None or not float(match[1]):
            self.fail(f"{shown(value)} is no time: write 90, 60s, 5m or 2h", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


def json_option(function: F) -> F:
    """--json"""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")(
        function
    )


def patch_option(text: str) -> Callable[[F], F]:
    """--patch, which may be given several times."""
    return click.option("--patch", "patches", multiple=True, metavar="NAME|FILE.py[:Class]", help=text)


def print_json(document: object) -> None:
    """One document on stdout."""
    click.echo(json.dumps(document, indent=2))


def with_patches(spec: KernelSpec, wanted: Sequence[str]) -> KernelChoice:
    """A kernel with patches on top, given as names, files (all of their patches) or one patch of a file.

    What the kernel has already is not applied again; a file whose patches the kernel names only supplies them.
    """
    names: list[str] = list(spec.patches)
    files: list[str] = []
    for each in wanted:
        match = _FILE.fullmatch(each)
        if match is None:
            patch(each)
            names += [each] * (each not in names)
            continue
        found = patches_of(match[1], match[2])
        supplied = any(name.startswith(f"{Path(match[1]).name}:") for name in spec.patches)
        if match[2] or not supplied:
            names += [name for name in found if name not in names]
        if match[1] not in files:
            check_distinct(match[1], files)
            files.append(match[1])
    choice = KernelChoice(replace(spec, patches=tuple(names)), tuple(files))
    choice.composed()
    return choice


def patches_of(file: str, name: str | None) -> list[str]:
    """The full names of all patches of a file, or of one."""
    found = list(load_patches(file))
    if name is None:
        return found
    full = f"{Path(file).name}:{name}"
    if full not in found:
        there = ", ".join(other.partition(":")[2] for other in found)
        raise OneLineError(f"{file}: no patch {name}; there is {there}")
    return [full]


def check_distinct(file: str, others: Sequence[str]) -> None:
    """Patches are named by the last part of their file's path, so two files cannot share it."""
    for other in others:
        if Path(other).name == Path(file).name:
            raise OneLineError(f"{file}: has the same name as {other}; rename one")
