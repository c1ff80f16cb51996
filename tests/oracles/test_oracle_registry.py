"""The list of oracles."""

from __future__ import annotations

import re
from pathlib import Path

from oracle_kit import program, simulate

from daxfuzz.oracles.oracle import listen, listen_to_all
from daxfuzz.oracles.registry import ORACLES, attach
from daxfuzz.sim import World

TESTS = Path(__file__).parent


def test_every_kind_belongs_to_one_oracle() -> None:
    kinds = [kind for oracle in ORACLES for kind in oracle.kinds]
    assert len(kinds) == len(set(kinds))


def test_every_kind_is_tripped_somewhere_in_these_tests() -> None:
    text = "".join(path.read_text() for path in TESTS.glob("test_oracle_*.py") if path.name != Path(__file__).name)
    tripped = set(re.findall(r'"([a-z]+(?:-[a-z]+)+|leak|deadlock|livelock|association)"', text))
    assert {kind for oracle in ORACLES for kind in oracle.kinds} <= tripped


def test_all_but_those_that_say_otherwise_are_on() -> None:
    sim = simulate(program({"mapper": ["load(file0, 0)"]}), oracles=[])
    assert list(map(type, attach(sim))) == [oracle for oracle in ORACLES if oracle.default]


def test_each_oracle_has_a_summary_of_one_line() -> None:
    for oracle in ORACLES:
        assert oracle.summary()
        assert "\n" not in oracle.summary()


def test_who_listens_later_is_called_too_and_later() -> None:
    class Bell:
        world = World()
        ring = None

    bell = Bell()
    heard: list[str] = []
    for name in ("first", "second", "third"):
        listen(bell, "ring", lambda what, name=name: heard.append(f"{name} {what}"))
    assert bell.ring is not None
    bell.ring("bell")
    assert heard == ["first bell", "second bell", "third bell"]
    assert set(bell.world.hooks) == {(bell, "ring")}


def test_who_listens_to_all_comes_after_those_of_each() -> None:
    class Bell:
        world = World()
        ring = None

    bells = [Bell() for _ in range(5)]
    heard: list[str] = []
    for number in (1, 2, 4):
        listen(bells[number], "ring", lambda what, number=number // 2: heard.append(f"{number} of {what}"))
    listen_to_all(bells, "ring", lambda what: heard.append(f"all of {what}"))
    listen_to_all(iter(bells), "ring", lambda what: heard.append(f"again of {what}"))
    for name, bell in zip("abcde", bells, strict=True):
        assert bell.ring is not None
        bell.ring(name)
    first = {"b": ["0 of b"], "c": ["1 of c"], "e": ["2 of e"]}
    assert heard == [line for name in "abcde" for line in (*first.get(name, []), f"all of {name}", f"again of {name}")]
    assert set(Bell.world.hooks) == {(bell, "ring") for bell in bells}
