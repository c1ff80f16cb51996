"""The engines that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from daxfuzz.engines.atheris.fuzzer import AtherisFuzzer
from daxfuzz.engines.fuzz import Fuzzer, FuzzSettings, Status
from daxfuzz.engines.hypothesis.fuzzer import HypothesisFuzzer


class Engine(StrEnum):
    """Who invents programs and schedules. The values are part of the command line."""

    PORTFOLIO = "portfolio"
    """The built-in one: random programs, a mixture of schedulers."""
    ATHERIS = "atheris"
    """libFuzzer, which mutates programs and schedules and goes by concurrency coverage."""
    HYPOTHESIS = "hypothesis"
    """hypothesis, which draws programs, keeps what fails, and goes by how many tasks wait and refer to pages."""


FUZZERS: dict[Engine, type[Fuzzer]] = {
    Engine.PORTFOLIO: Fuzzer,
    Engine.ATHERIS: AtherisFuzzer,
    Engine.HYPOTHESIS: HypothesisFuzzer,
}


def make_fuzzer(engine: Engine, settings: FuzzSettings, on_update: Callable[[Status], None] | None = None) -> Fuzzer:
    """One run of an engine."""
    return FUZZERS[engine](settings, on_update)
