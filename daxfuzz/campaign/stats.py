"""What happened, as lines of JSON: one file for each writer, and a torn last line is as good as none."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Stats:
    """The files ``<writer>.jsonl`` of a directory.

    One process writes at a time. Lines are only ever added; what a kill or a full disk has left of one is cut off
    before the next is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._whole: dict[str, int] = {}

    def add(self, writer: str, line: dict[str, Any]) -> None:
        """Add a line, which is on disk when this returns. Raises OSError, with nothing added."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", writer).lstrip(".") or "worker"
        path = self.directory / f"{name}.jsonl"
        if name not in self._whole:
            self._whole[name] = whole_length(path)
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.ftruncate(descriptor, self._whole[name])
            os.lseek(descriptor, 0, os.SEEK_END)
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._whole[name] += len(data)

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(writer, line) of all that is whole, one file after the other. Raises OSError."""
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.glob("*.jsonl")):
            for line in whole_lines(path):
                yield path.stem, line


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]


def whole_length(path: Path) -> int:
    """The bytes of a file up to its last line end; 0 if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            end = file.tell()
            while end:
                start = max(end - 65_536, 0)
                file.seek(start)
                at = file.read(end - start).rfind(b"\n")
                if at >= 0:
                    return start + at + 1
                end = start
    except FileNotFoundError:
        pass
    return 0


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are whole and hold an object."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                parsed = json.loads(line)
            except ValueError:
                continue
            if isinstance(parsed, dict):
                yield parsed
