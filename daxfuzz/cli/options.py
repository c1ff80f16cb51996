"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from daxfuzz.program.errors import shown

F = TypeVar("F", bound=Callable[..., Any])

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


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
