"""The directory that is a campaign's state.

campaign.toml             what to fuzz
corpus/<kernel>/          inputs, with their features
findings/<signature>/     first and minimized case, report, counts
pending/                  failures that nobody has minimized yet
stats/<worker>.jsonl      what happened
openmetrics.txt           the same in figures, for scrapers
lock                      held by the campaign that runs here
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from daxfuzz.campaign.config import Config, dumps_config, load_config
from daxfuzz.campaign.corpus import Corpus
from daxfuzz.campaign.findings import Findings
from daxfuzz.campaign.lock import Lock
from daxfuzz.campaign.pending import Pending
from daxfuzz.campaign.stats import Stats
from daxfuzz.campaign.totals import totals_of
from daxfuzz.program.errors import InputError
from daxfuzz.program.whole_file import save_text

CONFIG, CORPUS, FINDINGS, PENDING, STATS, METRICS, LOCK = (
    "campaign.toml",
    "corpus",
    "findings",
    "pending",
    "stats",
    "openmetrics.txt",
    "lock",
)


class Directory:
    """All that a campaign has kept. Raises InputError for a bad campaign.toml, or OSError.

    kernels: that are fuzzed at present, by their names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = load_config(path / CONFIG)
        self.kernels = self.config.kernels()
        self.stats = Stats(path / STATS)
        self.totals = totals_of(self.stats.lines())
        self.findings = Findings(path / FINDINGS)
        self.pending = Pending(path / PENDING, self.kernels)
        self.corpora = {name: Corpus(path / CORPUS / name) for name in self.kernels}

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each finding was hit, by signature and kernel."""
        found: dict[str, dict[str, int]] = {signature: {} for signature in self.findings.known}
        for (kernel, symptom), count in self.totals.hits.items():
            signature = self.findings.signature_of(kernel, symptom)
            if signature:
                found[signature][kernel] = found[signature].get(kernel, 0) + count
        return found

    @property
    def features(self) -> int:
        """How many features were seen, over all kernels."""
        return sum(len(corpus.features) for corpus in self.corpora.values())


def prepared(path: Path, config: Config | None) -> Lock:
    """Make a directory ready for a campaign and take it.

    config: of a new campaign; None to take what is there, or the default where nothing is.
    Raises InputError if there is a campaign already and another one is asked for, Busy, or OSError.
    """
    path.mkdir(parents=True, exist_ok=True)
    file = path / CONFIG
    if not file.exists() and any(each.name != LOCK and not is_torn(each) for each in path.iterdir()):
        raise InputError(str(path), None, "", "is no campaign: give an empty or a new directory")
    lock = Lock(path / LOCK)
    try:
        sweep(path)
        if not file.exists():
            save_text(file, dumps_config(config or Config()))
        elif config is not None:
            raise InputError(str(file), None, "", "says what to fuzz already: edit it, or give another directory")
        (path / STATS).mkdir(exist_ok=True)
    except BaseException:
        lock.release()
        raise
    return lock


def is_torn(path: Path) -> bool:
    """Whether a file or a directory is what a kill has left of a write."""
    return path.name.startswith((".daxfuzz-", ".new-"))


def sweep(path: Path) -> None:
    """Remove what a kill has left of writes."""
    for folder, folders, names in os.walk(path):
        for name in names:
            if is_torn(Path(name)):
                (Path(folder) / name).unlink(missing_ok=True)
        for name in filter(lambda name: is_torn(Path(name)), folders):
            shutil.rmtree(Path(folder) / name, ignore_errors=True)
