"""What each worker has of the corpus, so that it gets what it lacks and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable

from daxfuzz.campaign.corpus import Corpus
from daxfuzz.campaign.crew import Seat
from daxfuzz.campaign.slices import Entry

MOST = 2_000
"""Entries that go with one slice; the rest goes with later ones."""


class Exchange:
    """Who has which inputs, by hash. A worker that has died has forgotten them: its seat has another life then."""

    def __init__(self) -> None:
        self._has: dict[tuple[Seat, str], set[str]] = {}

    def lacking(self, seat: Seat, kernel: str, corpus: Corpus) -> tuple[Entry, ...]:
        """Inputs of a kernel that the worker does not have."""
        has = self._has.get((seat, kernel), set())
        if len(has) == len(corpus.entries):
            return ()
        return tuple(entry for hash, entry in corpus.entries.items() if hash not in has)[:MOST]

    def given(self, seat: Seat, kernel: str, entries: Iterable[Entry]) -> None:
        """The worker has got these, or has found them itself."""
        self._has.setdefault((seat, kernel), set()).update(entry.hash for entry in entries)

    def forget(self, seat: Seat) -> None:
        """The worker is gone."""
        for key in [key for key in self._has if key[0] == seat]:
            del self._has[key]
