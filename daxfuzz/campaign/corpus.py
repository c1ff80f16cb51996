"""The corpus of a campaign: inputs in their byte form, addressed by their content, with the features that they show."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from daxfuzz.campaign.slices import SEVERAL, Entry
from daxfuzz.program.whole_file import save_bytes, save_text

INPUTS, FEATURES, SEEN = "inputs", "features", "seen"
CHOSEN = b"chosen"
"""Stands behind the features of an input that was not drawn but chosen for them."""


class Corpus:
    """The inputs of one kernel.

    In its directory: ``inputs/<hash>``, which any engine for byte inputs can use as it is; ``features/<hash>`` with
    what that input was the first to show; and ``seen``, how often features were seen, as it was a while ago.

    entries: by hash. features: how many executions have shown each of those that were drawn, at most SEVERAL.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: dict[str, Entry] = {}
        self.features: dict[int, int] = {}
        self._dirty = False
        for entry in self._stored():
            self._take(entry)
        self._load_seen()

    def _stored(self) -> Iterator[Entry]:
        inputs = self.directory / INPUTS
        if not inputs.is_dir():
            return
        with os.scandir(inputs) as found:
            names = sorted(each.name for each in found if not each.name.startswith("."))
        for name in names:
            # What somebody else has put there under any name is an input, too.
            text = self._text_of(name)
            yield Entry((inputs / name).read_bytes(), numbers(text), CHOSEN not in text)

    def _text_of(self, name: str) -> bytes:
        try:
            return (self.directory / FEATURES / name).read_bytes()
        except FileNotFoundError:
            return b""

    def _take(self, entry: Entry) -> None:
        self.entries[entry.hash] = entry
        for each in entry.features:
            self.features.setdefault(each, int(entry.sampled))

    def _load_seen(self) -> None:
        try:
            lines = (self.directory / SEEN).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for count, line in enumerate(lines, 2):
            self.features.update(dict.fromkeys(numbers(line), min(count, SEVERAL)))

    def count(self, features: dict[int, int]) -> None:
        """Take over how often features were seen."""
        for each, count in features.items():
            before = self.features.get(each, 0)
            if before < SEVERAL:
                self.features[each] = min(before + count, SEVERAL)
                self._dirty = True

    def lacks(self, entry: Entry) -> bool:
        """Whether an input is worth keeping: it is not there, and shows what none there does."""
        return entry.hash not in self.entries and any(each not in self.features for each in entry.features)

    def add(self, entry: Entry) -> None:
        """Keep an input, which is on disk when this returns. Raises OSError."""
        for name in (INPUTS, FEATURES):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        # An input without its features would be taken for one that shows none.
        how = "" if entry.sampled else f"{CHOSEN.decode()}\n"
        save_text(self.directory / FEATURES / entry.hash, f"{' '.join(map(str, entry.features))}\n{how}")
        save_bytes(self.directory / INPUTS / entry.hash, entry.data)
        for each in entry.features:
            self.features.setdefault(each, 0)
        self.entries[entry.hash] = entry

    def save_seen(self) -> None:
        """Write how often features were seen, if that has changed. Raises OSError."""
        if not self._dirty:
            return
        lines = [
            " ".join(str(each) for each, count in sorted(self.features.items()) if count == number)
            for number in range(2, SEVERAL + 1)
        ]
        self.directory.mkdir(parents=True, exist_ok=True)
        save_text(self.directory / SEEN, "\n".join(lines) + "\n")
        self._dirty = False

    def seen_times(self) -> Counter[int]:
        """How many features were seen once, twice, and SEVERAL times or more."""
        return Counter(self.features.values())


def numbers(text: bytes) -> tuple[int, ...]:
    """Numbers with blanks between them; anything else is left out."""
    return tuple(int(word) for word in text.split() if word.isdigit())
