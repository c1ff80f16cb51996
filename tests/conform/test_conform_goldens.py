from __future__ import annotations

import json
from pathlib import Path

import pytest
from conform_kit import CORPUS, WAITING, sequence_of

from daxfuzz.conform import goldens, model
from daxfuzz.conform.goldens import Golden, load_golden, load_reasons, save_golden
from daxfuzz.conform.profiles import PROFILES
from daxfuzz.conform.recording import changes, merged, stable
from daxfuzz.conform.sequence import FILESYSTEMS, load
from daxfuzz.program.errors import InputError

PROFILE = PROFILES["6.1"]


def golden() -> Golden:
    sequence = sequence_of(WAITING)
    subsystems = PROFILE.composed().subsystems
    outcomes = {("it", name): model.run(sequence, subsystems, name) for name in FILESYSTEMS}
    return Golden(PROFILE, "linux-image", "1-2", outcomes)


def test_the_model_agrees_with_every_recorded_kernel() -> None:
    """On some of the sequences; .ci/run compares all."""
    agreement = goldens.check(CORPUS, load(CORPUS)[::6])
    assert [each for each in agreement.comparisons if not each.agrees] == []
    assert agreement.unmatched == []
    assert {each.kernel for each in agreement.comparisons} == {"linux-6.1", "linux-6.12", "linux-6.16", "linux-7.3"}
    assert len(agreement.comparisons) >= 2 * 20


def test_a_golden_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = golden()
    path = save_golden(tmp_path, written)
    assert load_golden(tmp_path, PROFILE) == written
    assert json.loads(path.read_text())["version"] == "1-2"
    assert '"ext4 xfs"' in path.read_text()
    assert load_golden(tmp_path, PROFILES["7.3"]) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"package": "a", "version": "b", "sequences": {"it": [1]}}'])
def test_a_golden_that_is_none_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = goldens.path_of(tmp_path, PROFILE)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match=r"linux-6\.1\.json"):
        load_golden(tmp_path, PROFILE)


def test_a_difference_needs_a_reason_and_a_reason_a_difference(tmp_path: Path) -> None:
    sequence = sequence_of(WAITING)
    same = golden()
    other = {**same.outcomes, ("it", "xfs"): same.outcomes["it", "xfs"][:2]}
    reasons = {("it", "xfs"): "because"}
    agreed = [
        goldens.compare([sequence], outcomes, PROFILE, why).agrees
        for outcomes in (same.outcomes, other)
        for why in ({}, reasons)
    ]
    assert agreed == [True, False, False, True]
    path = goldens.reasons_path(tmp_path, PROFILE)
    path.parent.mkdir()
    path.write_text('{"because": ["it xfs"]}')
    assert load_reasons(tmp_path, PROFILE) == reasons


def test_a_sequence_without_a_golden_is_reported() -> None:
    agreement = goldens.compare([sequence_of(WAITING)], {}, PROFILE, {})
    assert agreement.unmatched == [f"linux-6.1 has no golden for it on {name}" for name in FILESYSTEMS]
    assert not agreement.agrees


def test_recordings_are_compared_and_merged() -> None:
    old = golden()
    new = Golden(PROFILE, "linux-image", "3", {("it", "ext4"): (), ("new", "ext4"): ()})
    assert stable(old, old) == old
    assert stable(new, Golden(PROFILE, "linux-image", "3", {("new", "ext4"): ()})).outcomes == {("new", "ext4"): ()}
    assert changes(old, new) == [
        "linux-6.1: it on ext4 has another outcome than recorded",
        "linux-6.1: new on ext4 is not recorded",
    ]
    both = merged(old, new)
    assert list(both.outcomes) == [("it", "ext4"), ("it", "xfs"), ("new", "ext4")]
    assert (both.outcomes["it", "ext4"], both.version) == ((), "3")
