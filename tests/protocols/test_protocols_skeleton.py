"""Skeletons of patches: of every function there is, typed, composable, and without effect."""

from __future__ import annotations

import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from daxfuzz.protocols.catalogue import ModelFunction, model_functions
from daxfuzz.protocols.conflicts import conflict, every_protocol
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import UnknownName, protocol
from daxfuzz.protocols.skeleton import find_function, skeleton
from daxfuzz.protocols.user_patches import load_patches

FUNCTIONS = {f"{each.subsystem}.{each.name}": each for each in model_functions()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A skeleton of every function."""
    directory = tmp_path_factory.mktemp("skeletons")
    made = {}
    for name, function in FUNCTIONS.items():
        made[name] = directory / f"{name.replace('.', '_')}.py"
        made[name].write_text(skeleton(function))
    return made


def the_patch(path: Path) -> type[Patch]:
    (patch,) = load_patches(str(path)).values()
    return patch


@cache
def protocols_with(function: ModelFunction) -> tuple[str, ...]:
    """Those that have a function."""
    return tuple(
        name for name in every_protocol() if function.patch is None or function.patch in protocol(name).patches
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_composes_wherever_the_function_is(files: dict[str, Path], name: str) -> None:
    patch = the_patch(files[name])
    assert list(patch.hunks()) == [FUNCTIONS[name].subsystem]
    assert patch.title().startswith(f"{FUNCTIONS[name].subsystem}: ")
    on = protocols_with(FUNCTIONS[name])
    assert on
    assert [conflict(each, [patch]) for each in on] == [""] * len(on)


def test_passes_mypy_strict(files: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *files.values()]
    # An empty configuration: the one of this project names what to check.
    done = subprocess.run([*command, "--config-file="], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FUNCTIONS)
def test_quotes_what_it_overrides(files: dict[str, Path], name: str) -> None:
    function = FUNCTIONS[name]
    (hunk,) = the_patch(files[name]).hunks().values()
    quoted = inspect.getdoc(vars(hunk)[function.name]) or ""
    lines = [line.strip() for line in quoted.splitlines()]
    source = inspect.getsource(function.code).splitlines()
    assert source[0].strip() in lines
    assert source[-1].strip() in lines or source[-1].strip().endswith('"""')
    assert function.summary in quoted.replace("'''", '"""')
    assert f"{function.file}, {function.version}" in lines[0]


def test_a_function_that_a_patch_adds_is_overridden_in_that_patch(files: dict[str, Path]) -> None:
    name = "gup.wakeup_fsdax_pin_waiters"
    patch = the_patch(files[name])
    added_by = FUNCTIONS[name].patch
    assert added_by is not None
    assert issubclass(patch.hunks()["gup"], added_by.hunks()["gup"])
    assert "builds on UsePageMaybeDmaPinned.gup" in conflict("refcount-1", [patch])


def test_kernel_names_are_understood() -> None:
    assert find_function("gup.__get_user_pages").name == "_get_user_pages"
    assert find_function("gup._get_user_pages").name == "_get_user_pages"


def test_an_unknown_function_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean gup\.try_grab_folio or "):
        find_function("gup.try_grab_foli")
    with pytest.raises(UnknownName, match=r"did you mean ext4\.ext4_setattr\?"):
        find_function("ext4_setattr")
