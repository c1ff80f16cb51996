"""``daxfuzz bench``: the project's own measurements."""

from __future__ import annotations

import click

from daxfuzz.cli.bench.bugs import bugs
from daxfuzz.cli.bench.common import EXAMPLES
from daxfuzz.cli.bench.engines import engines
from daxfuzz.cli.bench.flaws import flaws
from daxfuzz.cli.bench.gup_fast import gup_fast
from daxfuzz.cli.bench.inputs import inputs
from daxfuzz.cli.bench.merge import merge
from daxfuzz.cli.bench.minima import minima
from daxfuzz.cli.bench.patches import patches
from daxfuzz.cli.bench.reach import reach
from daxfuzz.cli.bench.schedulers import schedulers
from daxfuzz.cli.bench.silent import silent
from daxfuzz.cli.bench.speed import speed
from daxfuzz.cli.bench.verify import verify


@click.group(epilog=EXAMPLES)
def bench() -> None:
    """The project's own measurements."""


for _command in (
    speed,
    gup_fast,
    silent,
    flaws,
    bugs,
    minima,
    patches,
    reach,
    schedulers,
    verify,
    engines,
    inputs,
    merge,
):
    bench.add_command(_command)
