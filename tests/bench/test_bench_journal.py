"""Results as they come: what is kept, and what an interruption leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daxfuzz.bench import journal
from daxfuzz.bench.journal import Journal, JournalError


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    first = Journal(tmp_path / "results")
    first.add("a", {"executions": 3})
    first.add("b", [1, None])
    assert Journal(tmp_path / "results").results == {"a": {"executions": 3}, "b": [1, None]}


@given(cut=st.integers(0, 200))
def test_a_torn_end_loses_the_torn_result_only(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "results"
    first = Journal(path)
    for number in range(3):
        first.add(str(number), number)
    content = path.read_bytes()
    path.write_bytes(content[: min(cut, len(content))])
    whole = content[:cut].count(b"\n")
    again = Journal(path)
    assert again.results == {str(number): number for number in range(whole)}
    again.add("new", True)
    assert Journal(path).results == {**again.results, "new": True}


def test_results_of_other_code_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results"
    Journal(path).add("a", 1)
    monkeypatch.setattr(journal, "version", lambda: "another")
    assert Journal(path).results == {}
    monkeypatch.undo()
    assert Journal(path).results == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"{}\n",
        b"no json\n",
        b"[1]\n",
        b'{"key": "a", "result": 1}\n',
        b'{"version": "", "key": [1], "result": 1}\n',
        b"no end of a line",
        b"\xff\n",
    ],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"results:.* no results? of a measurement"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Journal(tmp_path / "missing" / "results")
