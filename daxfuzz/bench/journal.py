"""Results of long measurements, one line each, written as they come: an interruption loses none of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from daxfuzz.engines.code_version import version

BEGIN = '{"version": "'
"""How each line begins, so that the end of another file is not taken for a torn one."""


class JournalError(Exception):
    """A file that is no journal. One line that says where."""


class Journal:
    """Results by key, in a file of JSON lines.

    Results of another version of daxfuzz's own code are kept in the file and not used. The last line may be torn by
    a kill: it is dropped.

    Raises JournalError for a file that holds anything else, which is left as it is, and OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = version()
        self.results: dict[str, Any] = {}
        # Now rather than after the first measurement: can it be written to?
        path.open("a").close()
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise JournalError(f"{path}: no results of a measurement; give another file") from None
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            if not line.endswith("\n") and line[: len(BEGIN)] == BEGIN[: len(line)]:
                self._cut(text.removesuffix(line))
                break
            entry = self._parsed(number, line)
            if entry["version"] == self.version:
                self.results[entry["key"]] = entry["result"]

    def add(self, key: str, result: Any) -> None:
        """Keep one result, which is on disk when this returns."""
        line = json.dumps({"version": self.version, "key": key, "result": result})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.results[key] = result

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        match entry:
            case {"version": str() as version, "key": str() as key, "result": result, **rest} if not rest:
                return {"version": version, "key": key, "result": result}
        raise JournalError(f"{self.path}:{number}: no result of a measurement; give another file")

    def _cut(self, text: str) -> None:
        with self.path.open("r+b") as file:
            file.truncate(len(text.encode()))
