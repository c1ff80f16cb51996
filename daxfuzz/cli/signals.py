"""Ctrl-C and SIGTERM end a run early; what it has found so far counts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from daxfuzz.cli.errors import INTERRUPTED, say

TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM, as ``timeout`` and CI systems send it: the workers have to be stopped first."""


@contextmanager
def termination() -> Iterator[None]:
    """Raise Terminated on SIGTERM."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[list[int]]:
    """SIGTERM raises KeyboardInterrupt, which Trio lets through in order; the list has the exit code for either."""
    codes = [INTERRUPTED]

    def stop(number: int, frame: FrameType | None) -> None:
        codes[0] = TERMINATED
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield codes
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end the block early; the list is empty unless one did, and then has the exit code for it."""
    codes: list[int] = []
    try:
        with termination():
            yield codes
    except KeyboardInterrupt:
        codes.append(INTERRUPTED)
    except Terminated:
        codes.append(TERMINATED)
    if codes:
        say("interrupted; this is what there was")
