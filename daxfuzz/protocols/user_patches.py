"""Patches in a file of the user's own. Only files that the user names on the command line are ever loaded."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from daxfuzz.protocols.patch import Patch, Repair


class PatchFileError(ValueError):
    """A file of patches that cannot be loaded. One line with file, line and reason."""


@lru_cache(maxsize=32)
def load_patches(path: str) -> dict[str, type[Patch]]:
    """Run a Python file and return the patches it defines, as my_patch.py:Class. Raises PatchFileError."""
    file = Path(path)
    spec = importlib.util.spec_from_file_location(f"daxfuzz_user_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise PatchFileError(f"{path}: not a Python file; a file of patches ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look the module of a class up here.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = ":".join([error.filename or path, *([str(error.lineno)] if error.lineno else [])])
        raise PatchFileError(f"{where}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise blamed(error, (path,)) or unreadable(path, error) from None
    found = {
        f"{file.name}:{name}": member
        for name, member in vars(module).items()
        if isinstance(member, type)
        and issubclass(member, Patch)
        and member not in (Patch, Repair)
        and member.__module__ == module.__name__
    }
    if not found:
        raise PatchFileError(f"{path}: defines no Patch")
    return found


def unreadable(path: str, error: BaseException) -> PatchFileError:
    """What to tell the user about an exception before the first line of the file ran."""
    if isinstance(error, FileNotFoundError):
        return PatchFileError(f"{path}: no such file")
    if isinstance(error, OSError):
        return PatchFileError(f"{path}: {error.strerror}")
    return PatchFileError(f"{path}: {type(error).__name__}: {error}")


def blamed(error: BaseException, paths: Iterable[str]) -> PatchFileError | None:
    """What to tell the user about an exception that came out of one of these files; None if it did not."""
    files = {str(Path(path).absolute()): path for path in paths}
    blame = None
    traceback = error.__traceback__
    while traceback is not None:
        path = files.get(traceback.tb_frame.f_code.co_filename)
        if path is not None:
            blame = PatchFileError(f"{path}:{traceback.tb_lineno}: {type(error).__name__}: {error}")
        traceback = traceback.tb_next
    return blame
