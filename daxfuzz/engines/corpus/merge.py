"""The smallest inputs of a collection that together show everything that all of them show, as libFuzzer's -merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.features import features_of
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches


@dataclass(frozen=True, slots=True)
class Shown:
    """What one file shows. size: in bytes."""

    path: Path
    size: int
    features: frozenset[int]


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
