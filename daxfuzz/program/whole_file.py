"""Writing a file so that it is whole or not there."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path


def save_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to a file so that at any time it holds either the old text or the new one. Raises OSError."""
    save_bytes(path, text.encode())


def save_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a file as :func:`save_text` does. Raises OSError."""
    target = Path(os.path.realpath(path))
    descriptor, temporary = _open_temporary(target)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _open_temporary(target: Path) -> tuple[int, Path]:
    """A new file beside `target` (a rename is atomic within one file system only), with the mode a new file gets."""
    for number in count():
        temporary = target.with_name(f".daxfuzz-{os.getpid()}-{number}.tmp")
        try:
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary
        except FileExistsError:
            continue
    raise AssertionError("count() does not end")
