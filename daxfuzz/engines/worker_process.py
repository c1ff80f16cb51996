"""Worker processes: when they end with the process that started them, and what they undo before that."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_actions: list[Callable[[], None]] = []


@contextmanager
def undone(action: Callable[[], None]) -> Iterator[None]:
    """If this process is a worker that is ended within the block, the action comes first; the last one before others.

    It must wait for nothing: it may interrupt whatever the process is at.
    """
    _actions.append(action)
    try:
        yield
    finally:
        _actions.remove(action)


def start_worker() -> None:
    """A worker leaves Ctrl-C to the process that started it, does not outlive it, and undoes what has to be undone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminated)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _terminated(number: int, frame: FrameType | None) -> None:
    _leave(128 + number)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        _leave(1)


def _leave(status: int) -> None:
    try:
        for action in reversed(_actions):
            action()
    finally:
        os._exit(status)
