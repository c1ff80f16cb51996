"""Patch 01 of the series, on top of v6.0: names."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.protocols.patch import Patch


class RenameBusyPageToPinnedPage(Patch):
    """fsdax: Rename "busy page" to "pinned page" (01/13)."""

    renames: ClassVar = {
        "dax_layout_busy_page": "dax_layout_pinned_page",
        "dax_layout_busy_page_range": "dax_layout_pinned_page_range",
        "dax_busy_page": "dax_pinned_page",
    }
