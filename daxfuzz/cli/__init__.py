"""The command line: parses, prints, and has no logic of its own.

May import: everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import click

from daxfuzz import __version__
from daxfuzz.cli.audit import audit
from daxfuzz.cli.bench import bench
from daxfuzz.cli.campaign import campaign
from daxfuzz.cli.candidates import candidates
from daxfuzz.cli.conform import conform
from daxfuzz.cli.corpus import corpus
from daxfuzz.cli.errors import guarded, settled
from daxfuzz.cli.fuzz import fuzz
from daxfuzz.cli.list import list_group
from daxfuzz.cli.minimize import minimize
from daxfuzz.cli.patch import patch_group
from daxfuzz.cli.report import report
from daxfuzz.cli.repro import repro
from daxfuzz.cli.verify import verify


class CommandLine(click.Group):
    """The topmost command: whatever goes wrong below it becomes one line and an exit code."""

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        start: Any = super().main
        settled(args, lambda: start(args, prog_name or "daxfuzz", *rest, **extra))

    def invoke(self, ctx: click.Context) -> Any:
        start = super().invoke
        return guarded(lambda: start(ctx))


@click.group(
    "daxfuzz",
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: daxfuzz fuzz --protocol pin-wait --time 60s",
)
@click.version_option(__version__, "--version", prog_name="daxfuzz")
def main() -> None:
    """Fuzzes the interleavings of DMA pins, page faults and truncates on Linux DAX pages.

    Exit codes: 2 for a usage or input error, 70 for an internal one, 130 after Ctrl-C; else see each command.
    """


for _command in (
    fuzz,
    repro,
    minimize,
    verify,
    campaign,
    report,
    patch_group,
    corpus,
    list_group,
    bench,
    audit,
    candidates,
    conform,
):
    main.add_command(_command)

__all__ = ["main"]
