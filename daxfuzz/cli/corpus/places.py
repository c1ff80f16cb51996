"""Files that are given one by one or by the directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from daxfuzz.cli.errors import OneLineError


def is_case(path: Path) -> bool:
    """Whether a file is a case, by its name."""
    return path.suffix == ".dax"


def is_input(path: Path) -> bool:
    """Whether a file may be an input of a fuzzer, or a case; hidden ones are not."""
    return not path.name.startswith(".")


def files_of(places: Iterable[Path], wanted: Callable[[Path], bool] = is_case) -> list[Path]:
    """Files, and those below directories that are wanted, sorted. Raises OneLineError where there is none."""
    return [path for place in places for path in ([place] if place.is_file() else below(place, wanted))]


def below(directory: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """The wanted files below a directory, sorted. Raises OneLineError if there is none."""
    if not directory.is_dir():
        raise OneLineError(f"{directory}: no such file or directory")
    # Unlike rglob, listing reports a directory that cannot be read.
    list(directory.iterdir())
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and wanted(path))
    if not paths:
        raise OneLineError(f"{directory}: holds no {'.dax file' if wanted is is_case else 'file'}")
    return paths
