"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType

from daxfuzz.triage.formats.commit import commit
from daxfuzz.triage.formats.document import as_json
from daxfuzz.triage.formats.interleaving import interleaving
from daxfuzz.triage.formats.mermaid import as_mermaid
from daxfuzz.triage.formats.page import as_html
from daxfuzz.triage.formats.perfetto import as_perfetto
from daxfuzz.triage.story import Story


@dataclass(frozen=True, slots=True)
class Format:
    """summary: for the help text. render: text as it is to be written, or something that rich lays out."""

    summary: str
    render: Callable[[Story], RenderableType]


FORMATS: dict[str, Format] = {
    "table": Format("every step, one column per task", interleaving),
    "commit": Format("text for a commit message or a mail", commit),
    "json": Format("the whole trace", as_json),
    "html": Format("a page to step through", as_html),
    "mermaid": Format("a sequence diagram for Markdown", as_mermaid),
    "perfetto": Format("trace events for ui.perfetto.dev", as_perfetto),
}
