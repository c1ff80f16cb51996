"""Which code of daxfuzz runs: what one version has measured or found may not hold for another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable


@cache
def version() -> str:
    """A digest of daxfuzz's own code: results of different code are not mixed."""
    digest = sha256()
    for name, content in sources(files("daxfuzz"), ""):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the Python files below a folder, in the order of their names."""
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield prefix + entry.name, entry.read_bytes()
