"""What functions the model has: kernel file, version read, known deviations."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass

from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import PATCHES

_SOURCE = re.compile(r"\(([^()]*?\b[\w/]+\.[chS]\b[^()]*)\)")
"""Where a docstring says what was read: (fs/dax.c, dax_iomap_pte_fault and below, v6.0)."""

_FILE = re.compile(r"\b[\w/.-]+\.[chS]\b")
_VERSION = re.compile(r"\bv\d+(?:\.\d+)+(?:-rc\d+)?\b")
_ON_TOP = re.compile(r"\bon top of (v\d+(?:\.\d+)+)")
_DEVIATION = re.compile(r"Known deviations?:\s*(.+?)(?:(?<=\.)(?=\s+[A-Z])|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelFunction:
    """A function of the model that patches can change.

    name: in the model; subsystem: its key in SUBSYSTEMS.
    hunk: the class to derive from: the subsystem, or the hunk of the patch that adds the function.
    code: the function itself.
    patch: the patch that adds it, None for the base.
    file, version: the kernel source that was read; empty if nothing says so.
    deviations: what is known to differ from that source, of the function, its class and its module.
    """

    name: str
    subsystem: str
    hunk: type[Subsystem]
    code: types.FunctionType
    patch: type[Patch] | None
    file: str
    version: str
    deviations: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.code) or "").split("\n")[0]


def model_functions() -> Iterator[ModelFunction]:
    """All functions: those of the base, then those that patches add."""
    for subsystem, cls in SUBSYSTEMS.items():
        for base in reversed(cls.__mro__):
            if issubclass(base, Subsystem) and base is not Subsystem:
                for name, member in vars(base).items():
                    if isinstance(member, types.FunctionType) and getattr(cls, name) is member:
                        yield of_base(name, subsystem, cls, base, member)
    for patch in PATCHES.values():
        hunks = patch.hunks()
        for subsystem, names in patch.adds.items():
            for name in names:
                yield of_patch(name, subsystem, patch, hunks[subsystem])


def of_base(
    name: str, subsystem: str, cls: type[Subsystem], defined_in: type[Subsystem], code: types.FunctionType
) -> ModelFunction:
    """A function of the base. What a class inherits is still its own file's."""
    documents = [code, defined_in, sys.modules[defined_in.__module__]]
    file, version = source(*documents, cls, sys.modules[cls.__module__])
    return ModelFunction(name, subsystem, cls, code, None, file, version, deviations(*documents))


def of_patch(name: str, subsystem: str, patch: type[Patch], hunk: type[Subsystem]) -> ModelFunction:
    """A function that a patch adds: the file is that of the subsystem, the version is what the patch says."""
    code = vars(hunk)[name]
    documents = [code, hunk, patch, sys.modules[patch.__module__]]
    file, version = source(*documents)
    file = file or source(SUBSYSTEMS[subsystem], sys.modules[SUBSYSTEMS[subsystem].__module__])[0]
    if not version:
        version = next((found[1] for each in documents if (found := _ON_TOP.search(own_doc(each)))), "")
    return ModelFunction(name, subsystem, hunk, code, patch, file, version, deviations(*documents))


def source(*documents: object) -> tuple[str, str]:
    """File and version from the first docstring that names a file: the first of its files is the one modelled."""
    for each in documents:
        match = _SOURCE.search(own_doc(each))
        if match is not None:
            file, version = _FILE.search(match[1]), _VERSION.search(match[1])
            return file[0] if file else "", version[0] if version else ""
    return "", ""


def deviations(*documents: object) -> tuple[str, ...]:
    """The "Known deviation: ..." sentences of docstrings, without these words."""
    found: dict[str, None] = {}
    for each in documents:
        for paragraph in re.split(r"\n\s*\n", own_doc(each)):
            for match in _DEVIATION.finditer(paragraph):
                found[" ".join(match[1].split())] = None
    return tuple(found)


def own_doc(documented: object) -> str:
    """A docstring that is not inherited."""
    return inspect.cleandoc(documented.__doc__ or "")
