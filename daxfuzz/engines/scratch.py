"""Temporary directories that nothing leaves behind, not even a process that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from daxfuzz.engines.worker_process import undone

PREFIX = "daxfuzz-scratch-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory, until the block is left or this process is ended as a worker.

    Those of processes that were killed are removed first: who uses one holds a lock on it, which ends with the process.
    """
    remove_abandoned(Path(gettempdir()))
    path, lock = _made()
    remove = partial(shutil.rmtree, path, ignore_errors=True)
    with undone(remove):
        try:
            yield path
        finally:
            remove()
            os.close(lock)


def _made() -> tuple[Path, int]:
    """A new directory and the lock on it. It gets its name when it is locked, so that nobody takes it for abandoned."""
    new = Path(mkdtemp(prefix=f".{PREFIX}"))
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # A file system may have no locks; there, nobody removes anything.
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return new.rename(new.with_name(new.name[1:])), lock


def remove_abandoned(parent: Path) -> None:
    """Remove directories of processes that have ended."""
    for path in sorted(parent.glob(f"{PREFIX}*")):
        # It may be somebody else's, in use, or gone by now.
        with suppress(OSError):
            _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(lock)
