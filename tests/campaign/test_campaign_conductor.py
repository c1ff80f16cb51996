"""A campaign from end to end, with workers of this process: what it finds, keeps, and says."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from campaign_kit import EASY, LOUD, SILENT, Inline, campaign, told

from daxfuzz.campaign.conductor import CampaignError, Conductor, Limits
from daxfuzz.campaign.config import Canary, Config
from daxfuzz.campaign.corpus import INPUTS
from daxfuzz.campaign.desk import Desk
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import ABOUT, CASE, COUNTS, FIRST
from daxfuzz.campaign.pending import Failure
from daxfuzz.campaign.slices import Entry, Slice
from daxfuzz.campaign.work import CanaryJob, RecheckJob
from daxfuzz.engines.features import Collector
from daxfuzz.engines.jobs import ModelError, RawFailure, Symptom
from daxfuzz.program.bytes_form import decode
from daxfuzz.program.case import Call, Program, Setup
from daxfuzz.program.dax_file import load_case
from daxfuzz.search import SparseReplay
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.replay import replay_case

BUG = "gup-ref-never-dropped"


@pytest.fixture(scope="module")
def loud(tmp_path_factory) -> Conductor:
    """A campaign that finds a planted bug, with every failure looked into."""
    config = replace(LOUD, executions=100)
    return campaign(tmp_path_factory.mktemp("loud"), config, limits=Limits(finish_triage=True))


def slices(crew: Inline) -> list[Slice]:
    return [job for job in crew.jobs if isinstance(job, Slice)]


def test_a_finding_is_written_with_all_that_a_reader_needs(loud: Conductor) -> None:
    findings = loud.directory.findings
    known = next(each for each in findings.known.values() if each.explained_by == (BUG,))
    where = findings.path(known)
    case = load_case(where / CASE)
    assert replay_case(case, KernelChoice(case.kernel)).kind == known.kind == case.finding
    first = load_case(where / FIRST)
    assert replay_case(first, KernelChoice(first.kernel)).kind == known.kind
    assert known.message in (where / "report.txt").read_text()
    assert json.loads((where / COUNTS).read_text())[known.kernel] >= 1
    assert any(f"new: {known.signature}" in line for line in told(loud))
    assert not loud.directory.pending.waiting


def test_the_budget_of_executions_is_kept(loud: Conductor) -> None:
    assert 100 <= loud.totals.whole.executions < 140


def test_a_known_signature_is_counted_and_not_reported_again(loud: Conductor) -> None:
    known = list(loud.directory.findings.known)
    before = loud.directory.counts()
    path = loud.directory.path
    text = (path / "campaign.toml").read_text()
    (path / "campaign.toml").write_text(text.replace("executions = 100", "executions = 400"))
    again = campaign(path, None, limits=Limits(finish_triage=True))
    assert [each for each in again.directory.findings.known if each in known] == known
    assert not [line for line in told(again) if any(f"new: {each} " in line for each in known)]
    after = again.directory.counts()
    assert hits(after, known) > hits(before, known)
    assert again.totals.whole.executions >= 400
    assert again.totals.starts == 2


def hits(counts: dict[str, dict[str, int]], signatures: list[str]) -> int:
    return sum(count for signature in signatures for count in counts[signature].values())


def test_slices_have_numbers_of_their_own_over_all_starts(tmp_path: Path) -> None:
    crew = Inline(2)
    for _ in range(2):
        campaign(tmp_path, None if (tmp_path / "campaign.toml").exists() else SILENT, crew, slices=3)
    numbers = [job.number for job in slices(crew)]
    assert len(numbers) == len(set(numbers)) > 4
    assert {each.name for each in (tmp_path / "stats").iterdir()} == {"campaign.jsonl", "w0.jsonl", "w1.jsonl"}


def test_inputs_of_the_corpus_show_the_features_that_they_are_kept_for(tmp_path: Path) -> None:
    conductor = campaign(tmp_path, SILENT, slices=3)
    [(name, corpus)] = conductor.directory.corpora.items()
    assert corpus.entries
    kernel = conductor.directory.kernels[name]
    for entry in list(corpus.entries.values())[:10]:
        program, schedule = decode(entry.data)
        _, features = Collector(Bench(program, kernel)).run(SparseReplay(schedule))
        assert set(entry.features) <= set(features)
    stored = {path.name for path in (tmp_path / "corpus" / name / INPUTS).iterdir()}
    assert stored == set(corpus.entries)
    again = Directory(tmp_path)
    assert again.corpora[name].features == corpus.features
    assert again.totals == conductor.totals


def test_a_worker_gets_the_inputs_that_it_lacks_and_none_twice(tmp_path: Path) -> None:
    crew = Inline(2)
    conductor = campaign(tmp_path, SILENT, crew, slices=5)
    given = [entry.hash for job in slices(crew) for entry in job.entries]
    assert len(given) == len(set(given))
    [corpus] = conductor.directory.corpora.values()
    assert set(given) <= set(corpus.entries)
    later = Inline()
    campaign(tmp_path, None, later, slices=1)
    assert {entry.hash for job in slices(later) for entry in job.entries} == set(corpus.entries)


def test_a_worker_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    died: list[int] = []

    def broken(job: object) -> bool:
        if isinstance(job, Slice) and job.number == 1 and not died:
            died.append(job.number)
            return True
        return False

    crew = Inline(1, broken)
    conductor = campaign(tmp_path, SILENT, crew, slices=5)
    assert [job.number for job in slices(crew)].count(1) == 2
    lines = [line for _, line in conductor.directory.stats.lines() if line["event"] == "slice"]
    assert [line["n"] for line in lines].count(1) == 1
    assert conductor.totals.lost == 1
    assert any("worker w0 died in slice 1" in line for line in told(conductor))


def test_a_job_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    crew = Inline(1, lambda job: isinstance(job, Slice) and job.number == 1)
    conductor = campaign(tmp_path, SILENT, crew, slices=5)
    assert [job.number for job in slices(crew)].count(1) == 3
    assert conductor.totals.lost == 3
    assert any(each.loud and "is given up" in each.text for each in conductor.state.news)
    assert len(slices(crew)) > 4


def test_the_canary_is_found_again_and_again(tmp_path: Path) -> None:
    campaign(tmp_path, replace(SILENT, canary=EASY), slices=1)
    conductor = campaign(tmp_path, None, slices=1)
    assert conductor.totals.canary.hunts == 2
    assert conductor.totals.canary.found == conductor.totals.canary.hunts
    assert conductor.totals.canary.alive


def test_a_canary_that_dies_is_loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that sees nothing: what a campaign must not keep to itself."""
    monkeypatch.setattr("daxfuzz.engines.jobs.verdict", lambda execution: None)
    canary = Canary(executions=20)
    conductor = campaign(tmp_path, replace(SILENT, canary=canary), slices=1)
    assert not conductor.totals.canary.alive
    [loud] = [each.text for each in conductor.state.news if each.loud]
    assert loud.startswith("the canary is dead: truncate-ignores-dma-pins was not found in 20 executions")
    assert not Directory(tmp_path).totals.canary.alive


def test_a_finding_that_an_upgrade_has_silenced_is_marked(loud: Conductor) -> None:
    directory = loud.directory
    known = next(iter(directory.findings.known.values()))
    about = directory.findings.path(known) / ABOUT
    case = directory.findings.path(known) / CASE
    before, text = about.read_text(), case.read_text()
    about.write_text(before.replace(known.version, "an older one"))
    case.write_text(text.split("[schedule]")[0].replace(f'bugs = ["{BUG}"]', ""))
    crew = Inline()
    again = campaign(directory.path, None, crew)
    assert [type(job) for job in crew.jobs].count(RecheckJob) == 0, "no time: the budget of executions is spent"
    config = directory.path / "campaign.toml"
    text = config.read_text().replace("executions = ", "executions = 1").replace("slice = 600.0", "slice = 0.05")
    config.write_text(text)
    again = campaign(directory.path, None, crew, slices=1)
    assert [type(job) for job in crew.jobs].count(RecheckJob) == 1
    stale = again.directory.findings.known[known.signature]
    assert stale.stale == f"shows none instead of {known.kind}"
    assert any(line.startswith(f"stale: {known.signature}") for line in told(again))
    assert known.signature in Directory(directory.path).findings.known


def test_a_fault_of_the_model_is_written_down_and_the_campaign_goes_on(tmp_path: Path) -> None:
    class Failing(Inline):
        def submit(self, seat, function, job) -> None:
            def fails(job: object) -> None:
                raise ModelError("execution 7: KeyError: 3")

            super().submit(seat, fails if isinstance(job, Slice) and job.number == 1 else function, job)

    conductor = campaign(tmp_path, SILENT, Failing(), slices=4)
    assert conductor.totals.errors == 1
    errors = [line for _, line in conductor.directory.stats.lines() if line["event"] == "error"]
    assert "KeyError: 3" in errors[0]["error"]
    assert conductor.totals.whole.slices > 2


def test_a_campaign_in_which_all_fails_gives_up(tmp_path: Path) -> None:
    class Failing(Inline):
        def submit(self, seat, function, job) -> None:
            def fails(job: object) -> None:
                raise ModelError("oh")

            super().submit(seat, fails, job)

    with pytest.raises(CampaignError, match="10 jobs have failed one after the other"):
        campaign(tmp_path, SILENT, Failing())


def test_a_worker_with_other_code_gets_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daxfuzz.campaign.worker.version", lambda: "another")
    with pytest.raises(CampaignError, match="no worker is left"):
        campaign(tmp_path, SILENT, Inline(2))


def test_failures_wait_on_disk_for_their_triage(tmp_path: Path) -> None:
    """What the end of the time has left over is dealt with by the next start."""
    conductor = campaign(tmp_path, replace(LOUD, executions=100))
    waiting = list(conductor.directory.pending.waiting)
    assert waiting
    stored = Directory(tmp_path).pending.waiting
    assert list(stored) == waiting
    crew = Inline()
    again = campaign(tmp_path, None, crew, Limits(finish_triage=True))
    assert not again.directory.pending.waiting
    assert again.directory.findings.known
    assert not slices(crew)


def test_the_only_failure_of_a_kind_does_not_wait_behind_many_of_another(tmp_path: Path) -> None:
    directory = Directory(campaign(tmp_path, LOUD, slices=0).directory.path)
    (kernel, choice), *_ = directory.kernels.items()
    kinds = ["leak", "leak", "leak", "hang", "leak", "hang"]
    for number, kind in enumerate(kinds):
        program = Program({f"t{number}": (Call("load", ("file0", 0)),)}, Setup({"file0": 1}))
        raw = RawFailure(number, choice, Symptom(kind, "f", ""), program, (0,), "random")
        directory.pending.add(Failure(raw, kernel, "portfolio", number, number))
    desk = Desk(directory, lambda write: None, "v", lambda: 0.0, lambda known: None)
    jobs = list(iter(desk.next, None))
    assert [job.argument.raw.index for job in jobs] == [0, 3, 1, 5, 2, 4]


def test_the_first_thing_is_the_canary(tmp_path: Path) -> None:
    crew = Inline()
    campaign(tmp_path, replace(SILENT, canary=EASY), crew, slices=1)
    assert isinstance(crew.jobs[0], CanaryJob)


def test_every_kernel_and_way_has_its_turn(tmp_path: Path) -> None:
    config = Config(
        engines=("portfolio",),
        protocols=("pin-wait-fixed", "refcount-0-fixed"),
        filesystems=("ext4", "fuse"),
        strategies=("random", "pct-3"),
        slice_seconds=0.05,
        canary=None,
    )
    conductor = campaign(tmp_path, config, slices=16)
    assert {arm[0] for arm in conductor.totals.by_arm} == set(config.kernels())
    assert {arm[2] for arm in conductor.totals.by_arm} == {"random", "pct-3"}


def test_ten_thousand_inputs_are_read_in_less_than_two_seconds(tmp_path: Path) -> None:
    campaign(tmp_path, SILENT, slices=1)
    inputs, features = (tmp_path / "corpus" / "pin-wait-fixed.ext4" / name for name in (INPUTS, "features"))
    inputs.mkdir(parents=True, exist_ok=True)
    features.mkdir(exist_ok=True)
    for number in range(10_000):
        entry = Entry(number.to_bytes(100, "little"), tuple(range(5 * number, 5 * number + 5)))
        (inputs / entry.hash).write_bytes(entry.data)
        (features / entry.hash).write_text(" ".join(map(str, entry.features)))
    before = time.process_time()
    [corpus] = Directory(tmp_path).corpora.values()
    assert time.process_time() - before < 2.0
    assert len(corpus.entries) >= 10_000
    assert len(corpus.features) >= 50_000


def test_libfuzzer_goes_on_from_the_corpus_and_adds_to_it(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    path = tmp_path / "c"
    campaign(path, replace(LOUD, executions=100))
    config = path / "campaign.toml"
    config.write_text(
        config.read_text().replace('"portfolio"', '"atheris"').replace("executions = 100", "executions = 500")
    )
    crew = Inline()
    conductor = campaign(path, None, crew, slices=1)
    [job] = slices(crew)
    assert (job.engine, job.strategy) == ("atheris", "")
    assert job.entries
    [corpus] = conductor.directory.corpora.values()
    past = conductor.totals.by_arm[job.kernel_id, "atheris", ""]
    assert past.executions > 0
    assert past.sampled == 0
    assert sum(not entry.sampled for entry in corpus.entries.values()) == past.inputs > 0
    assert past.new_features > 0


def test_hypothesis_finds_what_is_easy_and_adds_to_the_corpus(tmp_path: Path) -> None:
    config = replace(LOUD, engines=("hypothesis",), executions=400)
    crew = Inline()
    conductor = campaign(tmp_path, config, crew)
    assert {(job.engine, job.strategy) for job in slices(crew)} == {("hypothesis", "")}
    assert "leak" in {each.raw.symptom.kind for each in conductor.desk.waiting}
    [corpus] = conductor.directory.corpora.values()
    assert corpus.entries
    assert not any(entry.sampled for entry in corpus.entries.values())
