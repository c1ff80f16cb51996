"""What goes wrong, as one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from daxfuzz import __version__
from daxfuzz.engines.atheris.harness import AtherisMissing
from daxfuzz.program.errors import InputError, one_line
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import UnknownName
from daxfuzz.protocols.user_patches import PatchFileError

USAGE = 2
INTERNAL = 70
CANNOT_REPLAY = 125
INTERRUPTED = 130
BROKEN_PIPE = 141
"""128 + SIGPIPE, as a program that does not handle it ends."""

INPUT_ERRORS = (InputError, UnknownName, ComposeError, PatchFileError)


class OneLineError(Exception):
    """An input or a request that cannot be served; its text is what the user reads."""


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"daxfuzz: {one_line(text)}", err=True)


def guarded(command: Callable[[], Any]) -> int:
    """Run a command: its exit code, with any error turned into one."""
    try:
        status = command()
        sys.stdout.flush()
    except (click.exceptions.Exit, click.ClickException):
        raise
    except BaseException as error:
        return failed(error)
    return status if isinstance(status, int) else 0


def failed(error: BaseException) -> int:
    """Say what happened; the exit code for it."""
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            # The interpreter flushes stdout at exit, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        case OneLineError() | AtherisMissing() | InputError() | UnknownName() | ComposeError() | PatchFileError():
            say(str(error))
            return USAGE
        case OSError(filename=str() as name) if name:
            say(f"{name}: {error.strerror}")
            return USAGE
        case SystemExit():
            raise error
    return report(error)


def report(error: BaseException) -> int:
    """Write a report of an internal error into the current directory."""
    text = "".join(traceback.format_exception(error))
    name = f"daxfuzz-crash-{os.getpid()}.txt"
    summary = f"internal error: {type(error).__name__}: {error}"
    try:
        with open(name, "w", encoding="utf-8") as file:
            file.write(f"daxfuzz {__version__}, Python {sys.version}\narguments: {sys.argv}\n\n{text}")
    except OSError as problem:
        say(f"{summary[:300]}; no report: {problem.strerror}")
        return INTERNAL
    say(f"{summary[:300]}; report in {name}")
    return INTERNAL


def settled(args: Sequence[str] | None, run: Callable[[], Any]) -> NoReturn:
    """Run the command line and exit with its code."""
    given = sys.argv[1:] if args is None else list(args)
    try:
        status = run()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = USAGE
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        hint = f"; see {where.command_path} --help" if where is not None else ""
        say(error.format_message().rstrip(".") + hint)
        status = error.exit_code
    except click.Abort:
        status = INTERRUPTED
    status = status if isinstance(status, int) else 0
    if given[:1] == ["repro"] and "--bisect" in given and status in (USAGE, 3, INTERNAL):
        status = CANNOT_REPLAY
    sys.exit(status)
