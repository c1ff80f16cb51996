"""The engines that slices can use, by name."""

from __future__ import annotations

from collections.abc import Sequence

PORTFOLIO = "portfolio"

ENGINES: dict[str, str] = {PORTFOLIO: "generated programs, each strategy in slices of its own"}
"""One line for a reader each. Names are part of recorded campaigns: never renamed."""


def ways_of(engine: str, strategies: Sequence[str]) -> tuple[str, ...]:
    """What an engine is split into: the strategies that it can use, or "" for one that brings its own."""
    return tuple(strategies) if engine == PORTFOLIO else ("",)
