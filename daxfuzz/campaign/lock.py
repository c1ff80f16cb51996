"""One campaign at a time in a directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path


class Busy(Exception):
    """Another campaign runs in the directory. One line that says which process."""


class Lock:
    """An advisory lock on a file, held until it is released or the process ends, however that ends.

    Raises Busy, or OSError where there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Busy(f"{path.parent}: another campaign runs here ({holder or 'unknown process'})") from None
        os.ftruncate(self._descriptor, 0)
        # Who holds it is said to help; the lock itself needs no space on the disk.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)
