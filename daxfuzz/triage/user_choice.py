"""A kernel under test with what a user wants on top of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.registry import patch
from daxfuzz.protocols.user_patches import PatchFileError, load_patches
from daxfuzz.triage.bench import KernelChoice

_FILE = re.compile(r"(.*\.py)(?::([A-Za-z_]\w*))?")


def with_patches(spec: KernelSpec, wanted: Sequence[str]) -> KernelChoice:
    """A kernel with patches on top, given as names, files (all of their patches) or one patch of a file.

    What the kernel has already is not applied again; a file whose patches the kernel names only supplies them.
    Raises PatchFileError, UnknownName, or ComposeError.
    """
    names: list[str] = list(spec.patches)
    files: list[str] = []
    for each in wanted:
        match = _FILE.fullmatch(each)
        if match is None:
            patch(each)
            names += [each] * (each not in names)
            continue
        found = patches_of(match[1], match[2])
        supplied = any(name.startswith(f"{Path(match[1]).name}:") for name in spec.patches)
        if match[2] or not supplied:
            names += [name for name in found if name not in names]
        if match[1] not in files:
            check_distinct(match[1], files)
            files.append(match[1])
    choice = KernelChoice(replace(spec, patches=tuple(names)), tuple(files))
    choice.composed()
    return choice


def patches_of(file: str, name: str | None) -> list[str]:
    """The full names of all patches of a file, or of one."""
    found = list(load_patches(file))
    if name is None:
        return found
    full = f"{Path(file).name}:{name}"
    if full not in found:
        there = ", ".join(other.partition(":")[2] for other in found)
        raise PatchFileError(f"{file}: no patch {name}; there is {there}")
    return [full]


def check_distinct(file: str, others: Sequence[str]) -> None:
    """Patches are named by the last part of their file's path, so two files cannot share it."""
    for other in others:
        if Path(other).name == Path(file).name:
            raise PatchFileError(f"{file}: has the same name as {other}; rename one")
