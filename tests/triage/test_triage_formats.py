"""The formats of a story that machines read."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from story_kit import CASES, DEADLOCK, LOCKED_ENTRY, LOST_WAKEUP, proved, story

from daxfuzz.cli import main
from daxfuzz.program.dax_file import load_case, loads_case
from daxfuzz.triage import formats
from daxfuzz.triage.formats import mermaid
from daxfuzz.triage.formats.document import as_json
from daxfuzz.triage.formats.mermaid import as_mermaid, escaped, wrapped
from daxfuzz.triage.formats.perfetto import as_perfetto
from daxfuzz.triage.trace import relevant

README = Path(__file__).parents[2] / "README.md"
SCHEMA = json.loads(files(formats).joinpath("trace.schema.json").read_text())

# JSON


@pytest.mark.parametrize("name", CASES)
def test_documents_are_as_the_schema_says(name: str) -> None:
    document = json.loads(as_json(story(name)))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert list(document) == list(SCHEMA["required"])
    numbers = {number for row in document["rows"] for number in row["stack"]}
    assert numbers <= set(range(len(document["places"])))


def test_documents_have_the_proof() -> None:
    told = proved(LOST_WAKEUP)
    document = json.loads(as_json(told))
    jsonschema.validate(document, SCHEMA)
    assert told.proof is not None
    assert document["proof"]["interleavings"] == told.proof.interleavings
    assert [each["order"] for each in document["proof"]["constraints"]] == list(map(str, told.proof.constraints))
    assert len(document["order"]) == len(told.proof.needed)


def test_the_schema_leaves_nothing_open() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(as_json(story(LOST_WAKEUP)))
    for broken in (
        document | {"more": 1},
        {key: value for key, value in document.items() if key != "rows"},
        document | {"rows": [document["rows"][0] | {"more": 1}]},
        document | {"tasks": {"pinner": {"state": "lost"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_one_step_a_line() -> None:
    text = as_json(story(LOST_WAKEUP))
    rows = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith('    {"turn"')]
    assert rows == json.loads(text)["rows"]


# Mermaid

NAME = r"[a-z][0-9]+"
TEXT = r"(?:[^#;<>%\"\\`\n]|#[0-9]+;|<br/>)+"
LINES = {
    "participant": rf"participant {NAME} as {TEXT}",
    "note": rf"Note over {NAME}(?:,{NAME})?: {TEXT}",
    "message": rf"{NAME}(?:->>|-\)){NAME}: {TEXT}",
    "open": r"rect rgba\(\d+, \d+, \d+, 0\.\d+\)",
    "close": r"end",
}


def parsed(diagram: str) -> list[tuple[str, str]]:
    """The lines of a sequence diagram with what they are; fails on all that the grammar above does not have."""
    first, *lines = diagram.splitlines()
    assert first == "sequenceDiagram"
    found = []
    for line in lines:
        kinds = [kind for kind, pattern in LINES.items() if re.fullmatch(pattern, line.strip())]
        assert len(kinds) == 1, line
        found.append((kinds[0], line.strip()))
    return found


@pytest.mark.parametrize("name", CASES)
def test_diagrams_follow_the_grammar(name: str) -> None:
    lines = parsed(as_mermaid(story(name)))
    declared = {line.split()[1] for kind, line in lines if kind == "participant"}
    used = {
        alias for kind, line in lines if kind in ("note", "message") for alias in re.findall(NAME, line.split(":")[0])
    }
    assert used == declared
    depth = 0
    for kind, _ in lines:
        depth += (kind == "open") - (kind == "close")
        assert depth in (0, 1)
    assert depth == 0


def test_a_diagram_tells_the_story() -> None:
    text = as_mermaid(story(LOST_WAKEUP))
    for part in (
        "try_grab_page: add refcount: 3 \N{RIGHTWARDS ARROW} 4",
        "page_idle: read refcount = 4",
        "sleeps on var_waitqueue[0] for page0",
        "folio_put_refs: update refcount: 4 \N{RIGHTWARDS ARROW} 3",
        "lost-wakeup: truncator sleeps",
        "constraint 1: before pinner:put_dev_pagemap.put#35;3",
    ):
        assert part in text
    assert "ptl" not in text
    woken = as_mermaid(story(LOCKED_ENTRY))
    assert re.search(r"t\d-\)t\d: wakes", woken)


def test_the_picture_of_the_readme_is_what_its_command_prints() -> None:
    readme = README.read_text()
    (picture,) = re.findall(r"```mermaid\n(.*?)```", readme, re.S)
    (command,) = re.findall(r"\ndaxfuzz (repro \S+ --prove --format mermaid)\n", readme)
    _, path, *options = command.split()
    result = CliRunner().invoke(main, ["repro", str(README.parent / path), *options])
    assert result.exit_code == 1
    assert result.stdout == picture, f"put what `daxfuzz {command}` prints into README.md"
    text = re.search(r"```toml\n(.*?)```", readme, re.S)
    assert text is not None
    assert loads_case(text[1]) == load_case(README.parent / path)


def test_a_long_diagram_leaves_out_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mermaid, "SHOWN", 6)
    lines = parsed(as_mermaid(story(LOCKED_ENTRY)))
    turns = [int(line.split(": ")[1]) for kind, line in lines if kind == "message" and "->>" in line]
    kept = sorted(relevant(story(LOCKED_ENTRY).trace))
    assert set(turns) <= {*kept[:3], *kept[-3:]}
    assert len(turns) >= 4
    assert len([line for _, line in lines if "steps are not shown" in line]) == 1


def test_text_that_means_something_to_mermaid() -> None:
    assert escaped("a#1; <b> %%{x}") == "a#35;1#59; #60;b#62; #37;#37;{x}"
    assert wrapped("x" * 50 + " " + "y" * 50) == "x" * 50 + "<br/>" + "y" * 50


# Perfetto


def events(name: str) -> list[dict[str, Any]]:
    return json.loads(as_perfetto(story(name)))["traceEvents"]


@pytest.mark.parametrize("name", CASES)
def test_events_are_those_of_the_format(name: str) -> None:
    needed = {
        "M": {"pid", "tid", "name", "args"},
        "X": {"pid", "tid", "name", "ts", "dur"},
        "s": {"pid", "tid", "name", "ts", "id", "cat"},
        "f": {"pid", "tid", "name", "ts", "id", "cat", "bp"},
        "C": {"pid", "tid", "name", "ts", "args"},
        "i": {"pid", "tid", "name", "ts", "s"},
    }
    for each in events(name):
        assert needed[each["ph"]] <= set(each), each
        assert isinstance(each.get("ts", 0), int | float)
        assert each.get("dur", 1) > 0
    named = {each["tid"]: each["args"]["name"] for each in events(name) if each["name"] == "thread_name"}
    assert list(named.values()) == list(story(name).case.program.tasks)


@pytest.mark.parametrize("name", CASES)
def test_slices_of_a_track_nest(name: str) -> None:
    tracks: dict[int, list[tuple[int, int]]] = {}
    for each in events(name):
        if each["ph"] != "X":
            continue
        since, until = each["ts"], each["ts"] + each["dur"]
        inside = tracks.setdefault(each["tid"], [])
        while inside and inside[-1][1] <= since:
            inside.pop()
        assert not inside or (inside[-1][0] <= since and until <= inside[-1][1]), each
        inside.append((since, until))


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_a_slice(name: str) -> None:
    steps = [each for each in events(name) if each["ph"] == "X" and "turn" in each.get("args", {})]
    assert sorted(each["ts"] for each in steps) == list(range(len(story(name).trace.steps)))


def test_arrows_join_two_steps() -> None:
    trace = story(LOCKED_ENTRY).trace
    found = events(LOCKED_ENTRY)
    starts = {each["id"]: each for each in found if each["ph"] == "s"}
    ends = {each["id"]: each for each in found if each["ph"] == "f"}
    assert set(starts) == set(ends) != set()
    threads = {name: number for number, name in enumerate(story(LOCKED_ENTRY).case.program.tasks, 1)}
    for number, start in starts.items():
        waker, woken = trace.steps[int(start["ts"])], trace.steps[int(ends[number]["ts"])]
        assert woken.task in (*waker.woken, *waker.released)
        assert (start["tid"], ends[number]["tid"]) == (threads[waker.task], threads[woken.task])
    assert "wakes" in {each["name"] for each in starts.values()}


def test_counters_and_waits() -> None:
    found = events(LOST_WAKEUP)
    counts = [each["args"]["value"] for each in found if each["ph"] == "C" and each["name"] == "page0.refcount"]
    assert counts == [1, 2, 3, 4, 3]
    asleep = [each for each in found if each["name"].startswith("asleep: var_waitqueue[0]")]
    assert [each["ts"] + each["dur"] for each in asleep] == [len(story(LOST_WAKEUP).trace.steps)]
    assert any(each["name"].startswith("blocked: ") for each in events(DEADLOCK))
    assert [each["name"] for each in found if each["ph"] == "i"] == ["lost-wakeup"]
