"""Imports go downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import daxfuzz

MAY_IMPORT = {
    "sim": (),
    "kernel": ("sim",),
    "protocols": ("kernel", "sim"),
    "program": ("kernel", "sim"),
    "oracles": ("program", "kernel", "sim"),
    "search": ("sim",),
    "triage": ("search", "oracles", "program", "protocols", "kernel", "sim"),
    "engines": ("triage", "search", "oracles", "program", "protocols", "kernel", "sim"),
    "campaign": ("engines", "triage", "search", "oracles", "program", "protocols", "kernel", "sim"),
    "conform": ("triage", "search", "program", "protocols", "kernel", "sim"),
    "bench": ("campaign", "conform", "engines", "triage", "search", "oracles", "program", "protocols", "kernel", "sim"),
}

ROOT = Path(daxfuzz.__file__).parent


def imported(path: Path) -> Iterator[str]:
    """The folders of daxfuzz that a file imports from, also where it does so for types alone or in a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("daxfuzz."))


def test_every_folder_has_its_place() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == {*MAY_IMPORT, "cli"}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_downwards(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        wrong = {each for each in imported(path) if each not in (folder, *MAY_IMPORT[folder])}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"
