"""The table of a case for a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from daxfuzz.triage.formats.proved import proved
from daxfuzz.triage.render import table
from daxfuzz.triage.story import Story


def interleaving(story: Story) -> Group:
    """Every step, one column per task, the verdict, and the proof of the cause if there is one."""
    proof = [] if story.proof is None else ["", proved(story.proof, list(story.case.program.tasks))]
    return Group(
        Text(story.kernel, style="bold"),
        "",
        table(story.trace.steps, list(story.case.program.tasks)),
        "",
        Text(story.verdict, style="bold"),
        Text(story.how),
        *proof,
    )
