"""The smallest inputs of a collection that together show everything that all of them show, as libFuzzer's -merge."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.features import features_of
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.errors import InputError
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches

CHUNK = 50
"""Files that a worker gets at a time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one file shows. size: in bytes."""

    path: Path
    size: int
    features: frozenset[int]


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    inputs: how many files there were. kept: those that the target has afterwards.
    before, after: the features of all, and of those that are kept.
    """

    inputs: int
    kept: tuple[Path, ...]
    before: frozenset[int]
    after: frozenset[int]


def merge(
    pool: Executor,
    target: Path,
    there: Sequence[Path],
    paths: Sequence[Path],
    kernel: KernelChoice,
    patches: Sequence[str] = (),
    told: Callable[[int], None] = lambda done: None,
) -> Merged:
    """Copy files into a directory until it shows all that they show.

    there: files that it has, which count and stay. kernel, patches: as for shown. told: hears how many files have been
        run. Raises as shown does, and InputError for two files of one name that differ.
    """
    found: list[Shown] = []
    for part in shown_by(pool, [*there, *paths], kernel, patches):
        found += part
        told(len(found))
    old, new = found[: len(there)], found[len(there) :]
    known = together(old)
    kept = smallest([Shown(each.path, each.size, each.features - known) for each in new])
    copied = copy([each.path for each in kept], target)
    return Merged(len(found), (*there, *copied), together(found), known | together(kept))


def shown_by(
    pool: Executor, paths: Sequence[Path], kernel: KernelChoice, patches: Sequence[str] = ()
) -> Iterator[list[Shown]]:
    """What files show, part by part in their order, found by the processes of a pool. Raises as shown does."""
    parts = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    for future in [pool.submit(shown, part, kernel, patches) for part in parts]:
        yield future.result()


def copy(paths: Iterable[Path], target: Path) -> list[Path]:
    """Copy files into a directory. Raises InputError for two of one name that differ."""
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for path in paths:
        to = target / path.name
        if to.exists() and to.read_bytes() != path.read_bytes():
            raise InputError(str(path), None, "", f"{target} has another file of that name")
        temporary = target / f".{path.name}.tmp"
        shutil.copyfile(path, temporary)
        temporary.replace(to)
        copied.append(to)
    return copied


def shown(paths: Sequence[Path], kernel: KernelChoice, patches: Sequence[str]) -> list[Shown]:
    """What files show, in a worker: a .dax file on its own kernel, any other as bytes on the one that is given.

    patches: files whose patches the cases name. Raises as loading cases, composing kernels and running them does.
    """
    inputs = Inputs(kernel)
    found = []
    for path in paths:
        if path.suffix == ".dax":
            case = load_case(path)
            features = features_of(case, with_patches(case.kernel, patches))
        else:
            features = inputs.run(inputs.decoded(path.read_bytes()))[1]
        found.append(Shown(path, path.stat().st_size, frozenset(features)))
    return found


def smallest(given: Iterable[Shown]) -> list[Shown]:
    """Those that are kept, the smallest first: each shows something that none before it does."""
    kept: list[Shown] = []
    features: set[int] = set()
    for each in sorted(given, key=lambda each: (each.size, str(each.path))):
        if not each.features <= features:
            kept.append(each)
            features |= each.features
    return kept


def together(given: Iterable[Shown]) -> frozenset[int]:
    """All features of some files."""
    return frozenset().union(*(each.features for each in given))
