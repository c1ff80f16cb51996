"""What to do when the disk is full: wait, say so, and go on."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FULL = (errno.ENOSPC, errno.EDQUOT)
RETRY = 1.0
"""Seconds from one try to the next."""


class DiskFull(Exception):
    """The disk is full, and there is no time left to wait for space. One line."""


class Disk:
    """Writes that are tried again until there is space for them.

    waiting: called at each try with what has failed, so that it can be shown.
    out_of_time: whether to give up.
    """

    def __init__(self, waiting: Callable[[OSError], None], out_of_time: Callable[[], bool]) -> None:
        self._waiting = waiting
        self._out_of_time = out_of_time
        self.full = False

    def insist(self, write: Callable[[], T]) -> T:
        """Do it, however long it takes. Raises DiskFull when the time is up, or OSError for anything but no space."""
        while True:
            try:
                done = write()
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self.full = True
                self._waiting(error)
                if self._out_of_time():
                    raise DiskFull(
                        f"{error.filename or 'the disk'}: {error.strerror}; what was written before is intact, "
                        "start again when there is space"
                    ) from None
                time.sleep(RETRY)
            else:
                self.full = False
                return done
