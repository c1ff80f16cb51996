"""Where in the model a parked task is."""

from __future__ import annotations

import os
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import daxfuzz
from daxfuzz.sim.trace import PRIMITIVE, inside_package
from daxfuzz.triage.trace.step import Place

if TYPE_CHECKING:
    from daxfuzz.sim import Task
    from daxfuzz.triage.trace.names import Names

TOP = Path(daxfuzz.__file__).resolve().parents[1]
"""What holds the package: in a checkout, its top."""

RUNNER = f"{os.sep}program{os.sep}simulation.py"
"""Where a task is between two calls."""


def stack_of(task: Task, names: Names) -> tuple[Place, ...]:
    """The functions that a parked task is in, the outermost first, without the simulator's own."""
    found = []
    awaited: Any = task.coroutine
    while awaited is not None:
        if isinstance(awaited, types.CoroutineType):
            code, frame, awaited = awaited.cr_code, awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, types.GeneratorType):
            code, frame, awaited = awaited.gi_code, awaited.gi_frame, awaited.gi_yieldfrom
        else:
            break
        if frame is None or code.co_flags & PRIMITIVE or inside_package(code) or code.co_filename.endswith(RUNNER):
            continue
        found.append(Place(names.function(code.co_name), shown_file(code.co_filename), frame.f_lineno))
    return tuple(found)


def shown_file(path: str) -> str:
    """A file of the model from the top of a checkout; of the user's own patches the name alone."""
    file = Path(path)
    return file.relative_to(TOP).as_posix() if file.is_relative_to(TOP / "daxfuzz") else file.name
