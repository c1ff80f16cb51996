"""``daxfuzz conform --fuzz``: generated sequences on the model and on a real kernel."""

from __future__ import annotations

import time
from pathlib import Path

import click

from daxfuzz.cli.options import print_json
from daxfuzz.cli.output import plural
from daxfuzz.conform.fuzz import Disagreement, Fuzzed, fuzz
from daxfuzz.conform.generator import case_of
from daxfuzz.conform.kernels import cached
from daxfuzz.conform.profiles import Profile
from daxfuzz.conform.runner import Machine
from daxfuzz.program.dax_file import dumps_case
from daxfuzz.program.whole_file import save_text

SECONDS_BETWEEN = 30.0
"""Between two lines of progress."""


class Watch:
    """Says when to stop, how far it is, and what was found."""

    def __init__(self, seconds: float, limit: int | None, directory: Path) -> None:
        self.started = time.monotonic()
        self._end = self.started + seconds
        self._limit = limit
        self._said = self.started
        self._directory = directory
        self.files: list[Path] = []

    def go_on(self, done: Fuzzed) -> bool:
        """Whether there is time for another sequence."""
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN:
            self._said = now
            click.echo(f"{plural(done.run, 'sequence')}, {plural(len(done.disagreements), 'disagreement')}", err=True)
        return now < self._end and (self._limit is None or done.run < self._limit)

    def found(self, disagreement: Disagreement) -> None:
        """Keep a disagreement as a case, at once."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{disagreement.sequence.name}-{disagreement.filesystem}.dax"
        head = "".join(f"# {line}\n" for line in disagreement.lines)
        save_text(path, head + dumps_case(case_of(disagreement.sequence)))
        self.files.append(path)
        click.echo(f"{path}: {disagreement.lines[0]}", err=True)


def run_fuzz(profile: Profile, seconds: float, limit: int | None, seed: int, directory: Path, as_json: bool) -> int:
    """Fuzz a kernel against its profile. Exit code: 0 no disagreement, 1 there is one."""
    watch = Watch(seconds, limit, directory)
    with Machine(cached(profile.version)) as machine:
        done = fuzz(profile, machine, seed, watch.go_on, watch.found)
        boots = machine.boots
    if as_json:
        print_json(document(profile, done, watch, boots))
    else:
        show(profile, done, watch, boots)
    return 1 if done.disagreements else 0


def document(profile: Profile, done: Fuzzed, watch: Watch, boots: int) -> dict[str, object]:
    """What --json prints."""
    return {
        "kernel": profile.name,
        "sequences": done.run,
        "left_out": done.beyond,
        "boots": boots,
        "disagreements": [
            {
                "file": str(path),
                "filesystem": each.filesystem,
                "differences": each.lines,
                "repeated": each.repeated,
            }
            for each, path in zip(done.disagreements, watch.files, strict=True)
        ],
    }


def show(profile: Profile, done: Fuzzed, watch: Watch, boots: int) -> None:
    """The same for a reader."""
    for each, path in zip(done.disagreements, watch.files, strict=True):
        once = "" if each.repeated else " (once, not when it was run again)"
        click.echo("\n  ".join((f"{path} on {each.filesystem}{once}", *each.lines)))
    seconds = time.monotonic() - watch.started
    click.echo(
        f"{profile.name}: {plural(done.run, 'sequence')} in {seconds:.0f} s and {plural(boots, 'boot')}, "
        f"{plural(len(done.disagreements), 'disagreement')}"
    )
