"""What the measurements have in common: options and progress."""

from __future__ import annotations

import click

from daxfuzz.engines.fuzz import Status

EXAMPLES = """
\b
Examples:
  daxfuzz bench speed --json
  daxfuzz bench gup-fast --executions 1000000
  daxfuzz bench silent --executions 2000000
  daxfuzz bench flaws --flaw F-07 --cases cases
  daxfuzz bench bugs --seeds 10 --plot bugs.svg
  daxfuzz bench engines --seeds 0
  daxfuzz bench inputs --inputs 50000
  daxfuzz bench merge --inputs 2000
  daxfuzz bench minima corpus/bugs --examples 2000
  daxfuzz bench patches --patch 2 --json
  daxfuzz bench reach --protocol refcount-0 --executions 2000
  daxfuzz bench schedulers --program CS/reorder_3
  daxfuzz bench verify --json
"""

PROGRESS_EVERY = 5.0
"""Seconds between two lines of progress on one kernel."""

seed_option = click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
workers_option = click.option(
    "--workers", "processes", type=click.IntRange(0, 4096), default=0, help="Processes; 0 for one per core."
)


class Progress:
    """Lines on stderr: how far each of several searches is."""

    def __init__(self) -> None:
        self.where = ""
        self.last = 0.0

    def update(self, where: str, status: Status, executions: int) -> None:
        """Called whenever anything has changed. where: which search; executions: its limit."""
        if where != self.where:
            self.where, self.last = where, 0.0
        if status.seconds - self.last >= PROGRESS_EVERY:
            self.last = status.seconds
            self.line(f"{where}: {status.executions:,} of {executions:,} executions")

    def line(self, text: str) -> None:
        """What came of one."""
        click.echo(text, err=True)
