"""The whole text."""

from __future__ import annotations

import textwrap
import unicodedata

from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.registry import BUGS, patch
from daxfuzz.triage.formats.commit.conditions import condition
from daxfuzz.triage.formats.commit.ending import stuck_tasks
from daxfuzz.triage.formats.commit.log import kernel_log
from daxfuzz.triage.formats.commit.meaning import cause, consequence, shown_place
from daxfuzz.triage.formats.commit.race import marks_of, race
from daxfuzz.triage.formats.proved import interleavings
from daxfuzz.triage.story import Story

WIDTH = 75
"""Columns of a commit message."""


def commit(story: Story) -> str:
    """A finding as a maintainer reads it; of a case that shows none, that."""
    found = story.replayed.found
    if found is None:
        return ascii_only("\n".join(textwrap.wrap(story.verdict, WIDTH)))
    stuck = stuck_tasks(story.replayed.bench, story.replayed.execution)
    said, printed = kernel_log(story, stuck)
    parts = [
        filled(f"{shown_place(story) or 'kernel'}: {found.kind.replace('-', ' ')} ({story.kernel})"),
        filled(f"Kernel: {story.protocol_in_words}."),
        filled(f"Cause: {cause(story)}"),
        "\n".join(race(story, WIDTH)),
        proof_text(story),
        filled(f"Consequence: {consequence(story, stuck)}"),
        filled(said) if said else "The kernel prints:" if printed else "",
        "\n".join(shortened(f"  {line}") for line in printed),
        filled(f"When: {condition(story)}"),
        fixes(story),
        filled(f"Found by daxfuzz: daxfuzz repro {story.path}", indent="  "),
    ]
    return ascii_only("\n\n".join(part for part in parts if part))


def proof_text(story: Story) -> str:
    """Which order of the marked steps is enough."""
    proof = story.proof
    if proof is None:
        return ""
    if not proof.needed:
        return filled(f"Every interleaving of these calls fails ({interleavings(proof)}).")
    pairs = " and ".join(f"{first} before {second}" for first, second in marks_of(proof))
    if proof.exhausted:
        return filled(
            f"It takes {pairs} and nothing else: all {interleavings(proof)} of these calls with this order fail."
        )
    return filled(f"It takes {pairs}: {proof.sampled} random interleavings with this order all fail.")


def fixes(story: Story) -> str:
    """What would repair it, where that is known."""
    lines = []
    for name in (*story.case.kernel.bugs, *story.case.repaired_by):
        if name in BUGS:
            lines.append(fixed(BUGS[name]))
        else:
            repair = patch(name)
            upstream = getattr(repair, "upstream", "")
            lines.append(f"A repair: {repair.title()}" + (f" ({upstream})" if upstream else ""))
    return "\n".join(filled(line) for line in lines)


def fixed(bug: type[Bug]) -> str:
    return f"Repaired by {bug.fix} ({bug.release})."


def filled(text: str, indent: str = "") -> str:
    """A paragraph."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def shortened(line: str) -> str:
    """A line of the log, which may be too long."""
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_long_words=False)


def ascii_only(text: str) -> str:
    """Without what a mail may spoil."""
    plain = unicodedata.normalize("NFKD", text)
    return plain.encode("ascii", "replace").decode()
