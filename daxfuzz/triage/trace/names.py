"""Names and values as a reader of the kernel's source would write them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from daxfuzz.sim import Shared

if TYPE_CHECKING:
    from daxfuzz.triage.bench import Bench


class Names:
    """Readable names of objects: page-table entries and their locks are numbered by file in the model."""

    def __init__(self, bench: Bench) -> None:
        self._files = list(bench.program.setup.files)
        self._renames = bench.kernel.composed().renames
        self.tasks = list(bench.program.tasks)
        kernel = bench.sim.kernel
        self._keys: dict[Hashable, str] = {page.address: f"page{page.pfn}" for page in kernel.pages}
        for number, inode in enumerate(kernel.inodes.values()):
            self._keys[inode.address] = self._keys[inode.i_mapping.address] = self._files[number]

    def of(self, obj: Shared) -> str:
        """Of an object."""
        name = re.sub(r"\.pte(\d+)\.(\d+)$", lambda found: f".pte[{self.page(int(found[1]), found[2])}]", obj.name)
        name = re.sub(
            r"\.(ptl|pmd|pud)(\d+)\.(\d+)$", lambda found: f".{found[1]}[{self.page(int(found[2]), found[3])}]", name
        )
        return re.sub(r"\.extent(\d+)$", r".extent[\1]", name)

    def function(self, name: str) -> str:
        """As the kernel under test has it."""
        return shown_function(name, self._renames)

    def file(self, inode: int) -> str:
        """Of a file, by its number."""
        return self._files[inode]

    def key(self, key: Hashable) -> str:
        """What a waiter waits for, by its key: a page, a file, or an entry of a file; empty for no key."""
        match key:
            case None:
                return ""
            case (mapping, index):
                return f"{self._keys.get(mapping, mapping)} entry {index}"
        return self._keys.get(key, shown_value(key))

    def page(self, inode: int, index: object) -> str:
        """Of a page of a file's mapping."""
        # The places that mremap moves mappings to come after the first ones of all files.
        place, inode = divmod(inode, len(self._files))
        return f"{self._files[inode]} {index}" + ", moved" * bool(place)


_XAS = {"find": "xas_find", "find_conflict": "xas_find_conflict"}
"""Functions of the xarray's operation state, which are methods in the model."""


def shown_function(name: str, renames: Mapping[str, str]) -> str:
    """The kernel's name of a function. Python mangles names that begin with two underscores, so the model has one."""
    name = renames.get(name, _XAS.get(name, name))
    return f"_{name}" if name.startswith("_") and not name.startswith("__") else name


def shown_value(value: object) -> str:
    """A value of the model, briefly."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case tuple() if type(value) is tuple:
            return f"[{', '.join(shown_value(each) for each in value)}]"
    return str(value)
