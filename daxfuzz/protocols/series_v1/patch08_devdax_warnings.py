"""Patch 08 of the series, on top of v6.0: prototypes and comments."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch


class MinorWarningFixups(Patch):
    """devdax: Minor warning fixups (08/13): a prototype and a comment."""
