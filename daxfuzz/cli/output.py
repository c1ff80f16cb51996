"""stdout as rich writes to it, and words that several commands print."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from daxfuzz.triage.words import plural as plural

SECONDS_BETWEEN = 1.0
"""Between two lines of progress."""

NOT_A_TERMINAL = 100
"""Columns where nobody says how many there are."""


def stdout_console() -> Console:
    """stdout, as wide as it is, or wide enough where it is no terminal."""
    width = None if sys.stdout.isatty() else NOT_A_TERMINAL
    return Console(file=sys.stdout, highlight=False, markup=False, width=width)


def at_most(executions: int) -> str:
    """What it means that something was not seen in so many executions (rule of three)."""
    return f"with 95 % confidence fewer than {3 / executions:.2g} per execution"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours if there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def program_name() -> str:
    """How the user can call this program: by its name, or as it was called where that is not on the PATH."""
    called = sys.argv[0]
    return called if Path(called).name == "daxfuzz" and shutil.which("daxfuzz") is None else "daxfuzz"


class Progress:
    """A line on stderr now and then that says what is going on."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN:
            self._last = now
            click.echo(f"{clock(now - self._started)}  {text}", err=True)
