"""Candidates for a repair."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from cli_kit import CLEAN, assert_one_line, run, run_json, written

from daxfuzz.bench.audit.mutants import fingerprint, live_of, source_of
from daxfuzz.bench.audit.source import Edit
from daxfuzz.bench.candidates import Candidates
from daxfuzz.bench.candidates import search as candidates_search
from daxfuzz.bench.candidates.operators import OPERATORS
from daxfuzz.bench.candidates.search import Tried, candidates_of
from daxfuzz.protocols.registry import build

CORPUS = Path(__file__).parents[2] / "corpus" / "flaws"
F02 = CORPUS / "pin-wait-f02-lost-wakeup.dax"


@pytest.fixture(scope="module")
def by_function():
    return {live.name: list(candidates_of(live)) for live in live_of(build("pin-wait", ()))}


@pytest.mark.parametrize(
    ("function", "operator", "text"),
    [
        ("Memremap.folio_put_refs", "add-wake", "await __sim__.wake_up_var(self.k.var_waitqueues, folio.address)"),
        ("Dax.dax_unlock_entry", "wake-all", "WakeMode.WAKE_ALL"),
    ],
)
def test_operators_change_what_they_say(by_function, function, operator, text) -> None:
    found = [each for each in by_function[function] if each.operator == operator]
    assert found
    texts = []
    for each in found:
        edit = Edit(source_of(each.live.function))
        each.change.apply(edit)
        texts.append(fingerprint(edit.tree))
        each.code()
    assert any(text in each for each in texts)


def test_each_operator_finds_something_and_no_change_comes_twice(by_function) -> None:
    candidates = [each for found in by_function.values() for each in found]
    assert {each.operator for each in candidates} == set(OPERATORS)
    for found in by_function.values():
        texts = []
        for each in found:
            edit = Edit(source_of(each.live.function))
            each.change.apply(edit)
            texts.append(fingerprint(edit.tree))
        assert len(texts) == len(set(texts))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("corpus")
    for name in ("pin-wait-f02-lost-wakeup", "pin-wait-f01-get-not-waited-for", "refcount-1-f06-eviction"):
        shutil.copy(CORPUS / f"{name}.dax", directory)
    return directory


@pytest.fixture(scope="module")
def document(corpus):
    return run_json("candidates", F02, "--corpus", corpus)


def test_the_wake_that_is_missing_is_found(document) -> None:
    assert document["tried"] == document["changes"] > 20
    assert document["corpus"] == 2
    best = document["candidates"][0]
    assert (best["operator"], best["function"], best["breaks"]) == ("add-wake", "folio_put_refs", [])
    assert best["exhausted"] is True
    assert "page_ref_sub_return" in best["text"]
    assert best["diff"] == ["+ await wake_up_var(self.k.var_waitqueues, folio.address)"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_interrupted_is_kept(monkeypatch, corpus, number: int, code: int) -> None:
    passes = candidates_search.passes
    tried = []

    def interrupting(*arguments) -> Tried | None:
        tried.append(arguments)
        if len(tried) > 4:
            signal.raise_signal(number)
        return passes(*arguments)

    monkeypatch.setattr(candidates_search, "passes", interrupting)
    result = run("candidates", F02, "--corpus", corpus)
    assert result.exit_code == code
    assert "interrupted" in result.stdout
    assert "Candidates, not repairs" in result.stdout


def test_the_best_come_first() -> None:
    class Made:
        operator = "reorder"

    class Wake:
        operator = "add-wake"

    def tried(what: type, exhausted: bool = True, broken: tuple[str, ...] = (), mended: tuple[str, ...] = ()) -> Tried:
        return Tried(what, exhausted, 1, broken, mended)  # type: ignore[arg-type]

    worst, cut, plain, wake, best = (
        tried(Wake, broken=("a",)),
        tried(Wake, exhausted=False),
        tried(Made),
        tried(Wake),
        tried(Made, mended=("b",)),
    )
    assert Candidates(passing=[worst, cut, plain, wake, best]).ranked() == [best, wake, plain, cut, worst]


def test_nothing_to_repair(tmp_path: Path) -> None:
    assert_one_line(run("candidates", written(tmp_path, CLEAN)), "declares no finding")
