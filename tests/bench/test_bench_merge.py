"""Merges of inputs that are made for it."""

from __future__ import annotations

import pytest
from cli_kit import run, run_json

from daxfuzz.bench.merge import LONGEST, made
from daxfuzz.bench.random_inputs import Chunk
from daxfuzz.engines.corpus import merge
from daxfuzz.program.bytes_form import decode

ARGUMENTS = ("bench", "merge", "--inputs", "120", "--seed", "3", "--workers", "1")


def test_inputs_are_of_all_sorts_and_the_same_each_time() -> None:
    inputs = made(Chunk(3, 0, 40))
    assert inputs == made(Chunk(3, 0, 40))
    assert inputs[:10] != made(Chunk(3, 40, 10))
    assert len(set(inputs)) > 30
    assert max(map(len, inputs)) <= LONGEST
    assert any(decode(data)[1].switches for data in inputs)


def test_nothing_is_lost() -> None:
    document = run_json(*ARGUMENTS)
    assert document["missing"] == []
    assert document["inputs"] == 120
    assert 0 < document["kept"] < 120
    assert document["before"] == document["after"] > 100


def test_what_is_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = merge.smallest
    monkeypatch.setattr(merge, "smallest", lambda given: smallest(given)[:-1])
    done = run(*ARGUMENTS)
    assert done.exit_code == 1
    assert "120 inputs show" in done.stdout
    assert "0 features missing" not in done.stdout
