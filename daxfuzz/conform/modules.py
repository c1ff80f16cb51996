"""Kernel modules: what they depend on, and an order in which they load."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

WANTED = ("nd_btt", "nd_pmem", "nd_e820", "nbd", "xfs")
"""The emulated persistent memory, the disk whose answers wait, and what is not built in of the file systems."""

OPTIONS = {"nbd": "nbds_max=1 max_part=0"}
"""Parameters of modules."""


def contents(path: Path) -> bytes:
    """A module as the kernel takes it."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def load_order(modules: Mapping[str, Path], wanted: Iterable[str] = WANTED) -> dict[str, bytes]:
    """The contents of the wanted modules and of all they need, by name, each after those that it needs.

    One that is not there is built in.
    """
    order: dict[str, bytes] = {}

    def visit(name: str) -> None:
        if name in order or name not in modules:
            return
        data = contents(modules[name])
        for needed in needs(data):
            visit(needed)
        order[name] = data

    for name in wanted:
        visit(name)
    return order


def needs(data: bytes) -> list[str]:
    """Names of the modules that a module needs, the soft ones included."""
    found = re.findall(rb"\0(?:depends=([^\0]*)|softdep=pre: ([^\0]*))", data)
    names = [name for hard, soft in found for name in re.split(rb"[, ]+", hard or soft) if name]
    return [name.decode().replace("-", "_") for name in names]
