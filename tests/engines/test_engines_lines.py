"""Lines of the model: which statements there are and which a run executes."""

from __future__ import annotations

import sys
import types
from contextlib import suppress
from pathlib import Path

import pytest

from daxfuzz.engines.lines import LineRecorder, statements

SOURCE = '''"""A module of the model."""

import asyncio


class Thing:
    """It has functions."""

    attribute = 1

    def interface(self):
        """A subclass has it."""
        raise NotImplementedError

    def __repr__(self):
        return "thing"

    async def work(self, much):
        """Docstring."""
        try:
            if much:
                return sum(
                    number
                    for number in (1, 2)
                )
        finally:
            much = False
        await asyncio.sleep(0)
        return 0


def outer(raises):
    def inner():
        return 1

    declared: int
    if raises:
        raise ValueError("no")
    return inner()
'''


@pytest.fixture
def tiny(tmp_path) -> types.ModuleType:
    """The source as a module of the model's."""
    path = Path(tmp_path / "daxfuzz" / "kernel" / "tiny.py")
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    module = types.ModuleType("tiny")
    module.__file__ = str(path)
    exec(compile(SOURCE, str(path), "exec"), vars(module))
    return module


def texts(module: types.ModuleType, lines) -> set[str]:
    assert module.__file__ is not None
    assert {file for file, _ in lines} <= {module.__file__}
    return {SOURCE.splitlines()[line - 1].strip() for _, line in lines}


def finish(coroutine) -> None:
    with suppress(StopIteration):
        while True:
            coroutine.send(None)


ALL = {
    "if much:",
    "return sum(",
    "much = False",
    "await asyncio.sleep(0)",
    "return 0",
    "def inner():",
    "return 1",
    "if raises:",
    'raise ValueError("no")',
    "return inner()",
}


def test_statements_of_functions_are_there_and_nothing_else(tiny) -> None:
    found = statements([tiny.__file__])
    assert texts(tiny, found) == ALL
    names = {SOURCE.splitlines()[line - 1].strip(): name for (_, line), name in found.items()}
    assert names["return 0"] == "Thing.work"
    assert names["return 1"] == "outer.<locals>.inner"


def test_what_runs_is_noted_over_several_recordings(tiny) -> None:
    recorder = LineRecorder()
    with recorder.recording():
        finish(tiny.Thing().work(True))
    assert texts(tiny, recorder.lines()) == {"if much:", "return sum(", "much = False"}
    tiny.outer(False)
    assert "if raises:" not in texts(tiny, recorder.lines())
    with recorder.recording():
        finish(tiny.Thing().work(False))
        assert tiny.outer(False) == 1
    assert texts(tiny, recorder.lines()) == ALL - {'raise ValueError("no")'}
    assert recorder.lines() < set(statements([tiny.__file__]))


def test_the_tracer_before_is_back_afterwards(tiny) -> None:
    before = sys.gettrace()
    with pytest.raises(ValueError, match="no"), LineRecorder().recording():
        tiny.outer(True)
    assert sys.gettrace() is before
