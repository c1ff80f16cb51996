"""What a campaign fuzzes, and how: its campaign.toml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

from daxfuzz.campaign.engines import ENGINES, available, ways_of
from daxfuzz.campaign.kernels import kernel_id
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file.limits import MAX_SIZE, Key
from daxfuzz.program.dax_file.parsers import array, choice, expected, integer, parse_toml, spec, table
from daxfuzz.program.dax_file.source import Source, check_nesting
from daxfuzz.program.errors import InputError
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import BUGS, UnknownName, bug, protocol
from daxfuzz.protocols.user_patches import PatchFileError
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches

FORMAT_VERSION = 1
MAX_NAMES = 64
MAX_SLICE = 600.0
MAX_EVERY = 7 * 24 * 3600.0
MAX_EXECUTIONS = 2**62
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100.0

PROTOCOLS_BY_DEFAULT = ("refcount-1", "pin-wait", "series-v1", "series-v3", "refcount-0")


@dataclass(frozen=True, slots=True)
class Way:
    """How to look for findings: an engine with one of its strategies, or the only way that it has."""

    engine: str
    strategy: str

    def __str__(self) -> str:
        return self.engine if not self.strategy else f"{self.engine}/{self.strategy}"


@dataclass(frozen=True, slots=True)
class Canary:
    """A planted bug that must be found again and again.

    every: seconds from one hunt to the next. executions: after which a hunt is given up, and the canary is dead.
    """

    bug: str = "truncate-ignores-dma-pins"
    every: float = 300.0
    executions: int = 4_000

    def kernel(self) -> KernelChoice:
        """The kernel with the bug: the protocol nearest to the bug's release, on the file system of its report."""
        planted = bug(self.bug)
        return KernelChoice(KernelSpec(planted.protocols[0], (), (self.bug,), planted.filesystems[0]))


@dataclass(frozen=True, slots=True)
class Config:
    """What campaign.toml says.

    weights: how much more than others a protocol, a file system, an engine or a strategy gets; 1 where nothing is said.
    seconds, executions: the whole campaign's limits, over all its starts; None for none.
    canary: None for none.
    """

    protocols: tuple[str, ...] = PROTOCOLS_BY_DEFAULT
    patches: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    filesystems: tuple[str, ...] = tuple(FILESYSTEMS)
    engines: tuple[str, ...] = available()
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    seed: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    slice_seconds: float = 4.0
    seconds: float | None = None
    executions: int | None = None
    canary: Canary | None = Canary()

    def kernels(self) -> dict[str, KernelChoice]:
        """Every kernel under test, by its name. Raises UnknownName, ComposeError or PatchFileError."""
        found: dict[str, KernelChoice] = {}
        for each in self.protocols:
            for filesystem in self.filesystems:
                kernel = with_patches(KernelSpec(each, bugs=self.bugs, filesystem=filesystem), self.patches)
                found[kernel_id(kernel.spec)] = kernel
        return found

    def ways(self) -> tuple[Way, ...]:
        """Every way to look for findings."""
        return tuple(Way(engine, strategy) for engine in self.engines for strategy in ways_of(engine, self.strategies))

    def weight(self, kernel: KernelSpec | None = None, way: Way | None = None) -> float:
        """The product of the weights of what takes part."""
        names = [] if kernel is None else [kernel.protocol, kernel.filesystem]
        names += [] if way is None else [way.engine, way.strategy]
        return math.prod(self.weights.get(name, 1.0) for name in names)


def _number(low: float, high: float) -> Any:
    def parse(source: Source, key: Key, value: object) -> float:
        if type(value) in (int, float) and isinstance(value, int | float) and low <= value <= high:
            return float(value)
        raise expected(source, key, f"a number from {low:g} to {high:g}", value)

    return parse


def _protocol(source: Source, key: Key, value: object) -> str:
    name = str(spec(source, key, value))
    try:
        return protocol(name).name
    except UnknownName as error:
        raise source.error(key, str(error)) from None


def _weights(source: Source, key: Key, value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise expected(source, key, "a table of numbers", value)
    weight = _number(LEAST_WEIGHT, MOST_WEIGHT)
    return {name: weight(source, (*key, name), inner) for name, inner in value.items()}


_DOCUMENT = table(
    {
        "daxfuzz": integer(FORMAT_VERSION, FORMAT_VERSION),
        "protocols": array(_protocol, MAX_NAMES, "protocols"),
        "patches": array(spec, MAX_NAMES, "patches"),
        "bugs": array(choice(list(BUGS)), MAX_NAMES, "bugs"),
        "filesystems": array(choice(list(FILESYSTEMS)), MAX_NAMES, "file systems"),
        "engines": array(choice(list(ENGINES)), MAX_NAMES, "engines"),
        "strategies": array(choice(list(STRATEGIES)), MAX_NAMES, "strategies"),
        "seed": integer(0, 2**63 - 1),
        "weights": _weights,
        "budget": table(
            {
                "slice": _number(0.05, MAX_SLICE),
                "seconds": _number(1, float(10**12)),
                "executions": integer(1, MAX_EXECUTIONS),
            }
        ),
        "canary": table(
            {
                "bug": choice(["none", *BUGS]),
                "every": _number(1, MAX_EVERY),
                "executions": integer(20, MAX_EXECUTIONS),
            }
        ),
    }
)
"""The format: every key and what reads it."""


def load_config(path: Path) -> Config:
    """Read a campaign.toml. Raises InputError, also when the file cannot be read."""
    try:
        data = path.read_bytes()
        text = data.decode()
    except OSError as error:
        raise InputError(str(path), None, "", f"cannot be read: {error.strerror or error}") from None
    except UnicodeError:
        raise InputError(str(path), None, "", "not text: campaign.toml is UTF-8") from None
    if len(data) > MAX_SIZE:
        raise InputError(str(path), None, "", f"larger than {MAX_SIZE // 1024} KiB")
    return loads_config(text, str(path))


def loads_config(text: str, path: str = "<string>") -> Config:
    """Read the text of a campaign.toml. Raises InputError, which names `path`."""
    source = Source(path, text)
    check_nesting(path, text)
    document = parse_toml(source)
    if "daxfuzz" not in document:
        raise source.error(("daxfuzz",), f"missing: a campaign.toml says daxfuzz = {FORMAT_VERSION}")
    values = _DOCUMENT(source, (), document)
    values.pop("daxfuzz")
    budget = values.pop("budget", {})
    limits = {("slice_seconds" if name == "slice" else name): value for name, value in budget.items()}
    config = Config(**_plain(values), **limits, canary=_canary(values.get("canary", {})))
    _check(source, config)
    return config


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "canary"}


def _canary(values: Mapping[str, Any]) -> Canary | None:
    return None if values.get("bug") == "none" else Canary(**values)


def _check(source: Source, config: Config) -> None:
    """Nothing is empty, weights are of what there is, and all kernels compose."""
    for name in ("protocols", "filesystems", "engines", "strategies"):
        if not getattr(config, name):
            raise source.error((name,), "must name at least one")
    for number, name in enumerate(config.engines):
        if name not in available():
            raise source.error(("engines", number), f"{name} cannot run here; there is {', '.join(available())}")
    known = [*config.protocols, *config.filesystems, *config.engines, *config.strategies]
    for name in config.weights:
        if name not in known:
            raise source.error(("weights", name), f"is not part of this campaign; there are {', '.join(known)}")
    try:
        config.kernels()
    except (UnknownName, ComposeError, PatchFileError) as error:
        key = "bugs" if config.bugs and not config.patches else "patches"
        raise source.error((key,), str(error)) from None


def dumps_config(config: Config) -> str:
    """The text of a campaign.toml, with comments for who edits it."""
    document = tomlkit.document()
    document.add(tomlkit.comment("What this campaign fuzzes. Edit it and start again; what was found stays."))
    document["daxfuzz"] = FORMAT_VERSION
    for name in ("protocols", "patches", "bugs", "filesystems", "engines", "strategies"):
        document[name] = list(getattr(config, name))
    document["seed"] = config.seed
    document.add(tomlkit.nl())
    document.add(tomlkit.comment("Such as pct-3 = 2.0: how much more than others something of the above gets."))
    document["weights"] = dict(config.weights)
    budget: dict[str, float | int] = {"slice": config.slice_seconds}
    budget |= {} if config.seconds is None else {"seconds": config.seconds}
    budget |= {} if config.executions is None else {"executions": config.executions}
    document["budget"] = budget
    canary = config.canary
    document["canary"] = (
        {"bug": "none"}
        if canary is None
        else {"bug": canary.bug, "every": canary.every, "executions": canary.executions}
    )
    return tomlkit.dumps(document)
