"""The engines that slices can use, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

PORTFOLIO = "portfolio"
ATHERIS = "atheris"
HYPOTHESIS = "hypothesis"

ENGINES = (PORTFOLIO, ATHERIS, HYPOTHESIS)
"""Names are part of recorded campaigns: never renamed."""


def available() -> tuple[str, ...]:
    """The engines that can run here."""
    return tuple(name for name in ENGINES if name != ATHERIS or find_spec("atheris") is not None)


def ways_of(engine: str, strategies: Sequence[str]) -> tuple[str, ...]:
    """What an engine is split into: the strategies that it can use, or "" for one that brings its own."""
    return tuple(strategies) if engine == PORTFOLIO else ("",)
