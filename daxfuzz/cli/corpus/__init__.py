"""``daxfuzz corpus``: the committed cases, and collections of inputs."""

from __future__ import annotations

import click

from daxfuzz.cli.corpus.add import add
from daxfuzz.cli.corpus.check import check
from daxfuzz.cli.corpus.convert import convert
from daxfuzz.cli.corpus.merge import merge
from daxfuzz.cli.corpus.stats import stats

EXAMPLES = """
\b
Examples:
  daxfuzz corpus check corpus
  daxfuzz corpus add corpus/flaws findings/*.dax
  daxfuzz corpus merge small big
"""


@click.group(epilog=EXAMPLES)
def corpus() -> None:
    """The committed corpus of cases, and collections of inputs."""


for command in (check, add, merge, stats, convert):
    corpus.add_command(command)
