"""What a campaign keeps on disk: whole or not there, whatever a kill or a full disk has left."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daxfuzz.campaign.config import Config
from daxfuzz.campaign.corpus import FEATURES, INPUTS, Corpus
from daxfuzz.campaign.directory import CONFIG, prepared
from daxfuzz.campaign.disk import Disk, DiskFull
from daxfuzz.campaign.findings import ABOUT, CASE, COUNTS, FIRST, REPORT, Findings, Known
from daxfuzz.campaign.lock import Busy, Lock
from daxfuzz.campaign.slices import Entry
from daxfuzz.campaign.stats import Stats, whole_length
from daxfuzz.engines.jobs import Symptom
from daxfuzz.program.errors import InputError

SYMPTOM = Symptom("leak", "user_space", "")


def known(signature: str = "leak/user_space/new", at: float = 1.0) -> Known:
    return Known(signature, "leak", "lost one", (), "k.ext4", "portfolio", "random", 7, 3, at, 2.0, "v1", 1, 2, 3, 4, 5)


# Lines


@settings(deadline=None, max_examples=40)
@given(cut=st.integers(0, 200))
def test_a_torn_last_line_is_as_good_as_none(tmp_path_factory, cut: int) -> None:
    directory = tmp_path_factory.mktemp("stats")
    lines = [{"n": number, "text": "ä\n" * 5} for number in range(3)]
    stats = Stats(directory)
    for line in lines:
        stats.add("w0", line)
    path = directory / "w0.jsonl"
    data = path.read_bytes()
    cut = min(cut, len(data))
    path.write_bytes(data[: len(data) - cut])
    whole = data[: len(data) - cut].count(b"\n")
    assert [line for _, line in Stats(directory).lines()] == lines[:whole]
    again = Stats(directory)
    again.add("w0", {"n": 9})
    assert [line for _, line in again.lines()] == [*lines[:whole], {"n": 9}]
    assert path.read_bytes().endswith(b'{"n":9}\n')


def test_each_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    stats = Stats(tmp_path)
    stats.add("tcp://10.0.0.1:8786", {"n": 1})
    stats.add("../w", {"n": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["-w.jsonl", "tcp-10.0.0.1-8786.jsonl"]


def test_a_line_that_does_not_fit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats(tmp_path)
    stats.add("w0", {"n": 1})
    from daxfuzz.campaign import stats as module

    real = module.write_all

    def full(descriptor: int, data: bytes) -> None:
        real(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        stats.add("w0", {"n": 2})
    monkeypatch.setattr(module, "write_all", real)
    stats.add("w0", {"n": 3})
    assert [json.loads(line) for line in (tmp_path / "w0.jsonl").read_text().splitlines()] == [{"n": 1}, {"n": 3}]


def test_the_whole_length_of_a_long_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"{}\n" + b"x" * 200_000)
    assert whole_length(path) == 3


# Corpus


def test_inputs_are_addressed_by_their_content_and_come_back(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    first, second, third = Entry(b"a", (1, 2)), Entry(b"b", (3,)), Entry(b"c", (4,), sampled=False)
    corpus.add(first)
    corpus.add(second)
    assert {path.name for path in (tmp_path / INPUTS).iterdir()} == {first.hash, second.hash}
    corpus.add(third)
    corpus.count({1: 1, 2: 2, 3: 3})
    corpus.save_seen()
    again = Corpus(tmp_path)
    assert again.entries == {first.hash: first, second.hash: second, third.hash: third}
    assert again.features == {1: 1, 2: 2, 3: 3, 4: 0}
    assert again.seen_times() == {0: 1, 1: 1, 2: 1, 3: 1}


def test_an_input_is_worth_keeping_only_for_features_that_no_other_shows(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.count({1: 1})
    assert not corpus.lacks(Entry(b"a", (1,)))
    assert corpus.lacks(Entry(b"a", (1, 2)))
    corpus.add(Entry(b"a", (1, 2)))
    assert not corpus.lacks(Entry(b"a", (5,)))


def test_an_input_without_features_is_an_input(tmp_path: Path) -> None:
    """As after a kill, or when somebody has put it there."""
    corpus = Corpus(tmp_path)
    corpus.add(Entry(b"a", (1,)))
    (tmp_path / FEATURES / Entry(b"a", ()).hash).unlink()
    (tmp_path / INPUTS / ".daxfuzz-1-0.tmp").write_bytes(b"torn")
    again = Corpus(tmp_path)
    assert [entry.data for entry in again.entries.values()] == [b"a"]
    assert again.features == {}


# Findings


def test_a_finding_comes_back_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    findings.add(known(), "first", "case", "report")
    findings.also(known().signature, "k.ext4", SYMPTOM)
    findings.checked(known().signature, "v2", "shows none instead of leak")
    findings.save_counts(known().signature, {"k.ext4": 4})
    again = Findings(tmp_path)
    [each] = again.known.values()
    assert (each.version, each.stale) == ("v2", "shows none instead of leak")
    assert again.signature_of("k.ext4", SYMPTOM) == known().signature
    assert again.signature_of("other.ext4", SYMPTOM) == ""
    texts = {name: (again.path(each) / name).read_text() for name in (FIRST, CASE, REPORT, COUNTS)}
    assert texts == {FIRST: "first", CASE: "case", REPORT: "report", COUNTS: '{\n  "k.ext4": 4\n}\n'}


def test_findings_keep_their_order(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    findings.add(known("leak/z/new", 1.0), "", "", "")
    findings.add(known("leak/a/new", 2.0), "", "", "")
    assert list(Findings(tmp_path).known) == ["leak/z/new", "leak/a/new"]


def test_signatures_that_look_alike_have_different_directories(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    for signature in ("leak/a b/new", "leak/a-b/new", "x" * 300, "x" * 301):
        findings.add(known(signature), "", signature, "")
    assert {path.read_text() for path in tmp_path.glob(f"*/{CASE}")} == set(findings.known)


def test_half_a_finding_is_none(tmp_path: Path) -> None:
    """A kill before the rename leaves a directory that nobody reads, and the next time makes it whole."""
    torn = tmp_path / f".new-{known().directory}"
    torn.mkdir(parents=True)
    (torn / ABOUT).write_text("{}")
    findings = Findings(tmp_path)
    assert not findings.known
    findings.add(known(), "first", "case", "report")
    assert not torn.exists()


def test_a_finding_whose_account_somebody_has_spoilt_is_kept_aside(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    findings.add(known(), "first", "old case", "report")
    (findings.path(known()) / ABOUT).write_text("oops")
    again = Findings(tmp_path)
    assert not again.known
    again.add(known(), "first", "new case", "report")
    assert sorted(path.read_text() for path in tmp_path.glob(f"*/{CASE}")) == ["new case", "old case"]


# The directory


def test_one_campaign_at_a_time(tmp_path: Path) -> None:
    lock = prepared(tmp_path, None)
    with pytest.raises(Busy, match=r"another campaign runs here \(process \d+ on "):
        prepared(tmp_path, None)
    lock.release()
    prepared(tmp_path, None).release()


def test_a_lock_needs_nobody_to_give_it_back(tmp_path: Path) -> None:
    Lock(tmp_path / "lock").release()
    Lock(tmp_path / "lock").release()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is no campaign"):
        prepared(tmp_path, None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_campaign_is_not_told_twice_what_to_fuzz(tmp_path: Path) -> None:
    prepared(tmp_path, Config(seed=3)).release()
    with pytest.raises(InputError, match="says what to fuzz already"):
        prepared(tmp_path, Config(seed=4))
    prepared(tmp_path, None).release()
    assert "seed = 3" in (tmp_path / CONFIG).read_text()


def test_what_a_kill_has_left_is_swept_up(tmp_path: Path) -> None:
    prepared(tmp_path, None).release()
    torn = tmp_path / "corpus" / "k" / "inputs" / ".daxfuzz-12-0.tmp"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half")
    (tmp_path / "findings" / ".new-x").mkdir(parents=True)
    prepared(tmp_path, None).release()
    assert not torn.exists()
    assert not list((tmp_path / "findings").iterdir())


# A full disk


def test_a_write_waits_for_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daxfuzz.campaign.disk.RETRY", 0.0)
    tries: list[str] = []

    def write() -> str:
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        return "written"

    disk = Disk(lambda error: tries.append(str(error)), lambda: False)
    assert disk.insist(write) == "written"
    assert len(tries) == 3


def test_a_write_does_not_wait_for_ever_or_for_anything_else() -> None:
    def fails(number: int):
        def write() -> None:
            raise OSError(number, "oh", "x")

        return write

    disk = Disk(lambda error: None, lambda: True)
    with pytest.raises(DiskFull, match="what was written before is intact"):
        disk.insist(fails(errno.ENOSPC))
    with pytest.raises(PermissionError):
        disk.insist(fails(errno.EACCES))
