"""``daxfuzz bench``: the project's own measurements."""

from __future__ import annotations

import click

from daxfuzz.cli.bench.flaws import flaws
from daxfuzz.cli.bench.gup_fast import gup_fast
from daxfuzz.cli.bench.patches import patches
from daxfuzz.cli.bench.reach import reach
from daxfuzz.cli.bench.silent import silent
from daxfuzz.cli.bench.speed import speed

EXAMPLES = """
\b
Examples:
  daxfuzz bench speed --json
  daxfuzz bench gup-fast --executions 1000000
  daxfuzz bench silent --executions 2000000
  daxfuzz bench flaws --flaw F-07 --cases cases
  daxfuzz bench patches --patch 2 --json
  daxfuzz bench reach --protocol refcount-0 --executions 2000
"""


@click.group(epilog=EXAMPLES)
def bench() -> None:
    """The project's own measurements."""


for _command in (speed, gup_fast, silent, flaws, patches, reach):
    bench.add_command(_command)
