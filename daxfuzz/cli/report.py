"""``daxfuzz report``: a campaign as a page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.document import document
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.program.whole_file import save_text

NAME = "report.html"

EXAMPLES = """
\b
Examples:
  daxfuzz report weeks
  daxfuzz report weeks --output weeks.html
  daxfuzz report weeks --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("place", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Where to write the page. [default: DIR/{NAME}]",
)
@json_option
def report(place: Path, output: Path | None, as_json: bool) -> None:
    """Write what the campaign in DIR has done as one HTML page that needs nothing else.

    The campaign may go on meanwhile.
    """
    directory = Directory(place)
    if as_json:
        print_json(document(directory))
        return
    # It is for those who want a page.
    from daxfuzz.campaign.report import as_html

    path = output or place / NAME
    save_text(path, as_html(directory))
    click.echo(str(path))
