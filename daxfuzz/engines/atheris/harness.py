"""The main function of a harness: a libFuzzer target for one kernel.

if __name__ == "__main__":
    main(KernelSpec("pin-wait-fixed"))
"""

from __future__ import annotations

import gc
import importlib
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

from daxfuzz.engines.atheris.environment import options
from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.atheris.mutator import Mutator
from daxfuzz.engines.atheris.target import Target
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.errors import InputError, one_line
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import UnknownName
from daxfuzz.protocols.user_patches import PatchFileError

COUNTERS = 1 << 16
"""Of libFuzzer, which looks at all of them after each execution; features share them where there are more."""

DEFAULTS = ("-len_control=0",)
"""Options of libFuzzer unless they are given: a program is as long as it is, however little was fuzzed so far."""

CORE = (
    "get_user_pages",
    "get_user_pages_fast",
    "pin_user_pages",
    "pin_user_pages_fast",
    "put_page",
    "unpin_user_pages",
    "dma_write",
    "load",
    "store",
    "mmap",
    "munmap",
    "fork",
    "madvise",
    "truncate",
    "fallocate",
    "write",
    "fsync",
    "unlink",
    "close",
    "drop_caches",
    "signal",
)
"""Operations of those who pin, who fault and who truncate."""

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the collector of cyclic garbage. A program that is thrown away is such; little else is."""

USAGE = 2


def main(spec: KernelSpec, operations: Sequence[str] = tuple(SIGNATURES)) -> None:
    """Fuzz a kernel, or do what the options of libFuzzer in sys.argv say; does not return.

    spec: what is fuzzed unless the environment says something else.
    operations: that mutations may add to programs.
    """
    try:
        chosen = options(spec)
        atheris = load_atheris()
    except (InputError, UnknownName, ComposeError, PatchFileError, AtherisMissing) as error:
        print(f"{sys.argv[0]}: {one_line(str(error))}", file=sys.stderr)
        sys.exit(USAGE)
    inputs = Inputs(chosen.kernel, chosen.features)
    run(atheris, inputs, Target(inputs, coverage(atheris)), operations, sys.argv)


def run(
    atheris: Any, inputs: Inputs, target: Callable[[bytes], None], operations: Sequence[str], argv: Sequence[str]
) -> None:
    """Hand over to libFuzzer, which ends the process."""
    # Of a crash that is to be made smaller.
    close = any(argument.startswith("-minimize_crash") for argument in argv)
    mutator = Mutator(inputs, operations, lambda data, size: bytes(atheris.Mutate(data, size)), close)
    # What was imported stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    atheris.Setup(with_defaults(argv), target, custom_mutator=mutator.mutate, custom_crossover=mutator.cross)
    atheris.Fuzz()


def with_defaults(argv: Sequence[str]) -> list[str]:
    """The arguments, and those defaults that they do not speak of."""
    missing = [each for each in DEFAULTS if not any(given.startswith(each.partition("=")[0] + "=") for given in argv)]
    return [argv[0], *missing, *argv[1:]]


def coverage(atheris: Any) -> Callable[[tuple[int, ...]], None]:
    """A function that shows features to libFuzzer. To be made once in a process, before Setup."""
    counters = [atheris._reserve_counter() for _ in range(1 + COUNTERS)]
    always, first = counters[0], counters[1]

    def cover(features: tuple[int, ...]) -> None:
        # Fuzz() puts other functions in the place of those that atheris begins with.
        trace = atheris._trace_branch
        # libFuzzer gives up where nothing is covered.
        trace(always)
        for feature in features:
            trace(first + feature % COUNTERS)

    return cover


class AtherisMissing(RuntimeError):
    """There is no atheris here; the text says why, in one line."""


def load_atheris() -> Any:
    """The module atheris, which has no types. Raises AtherisMissing."""
    try:
        return importlib.import_module("atheris")
    except ImportError as error:
        raise AtherisMissing(why_missing(error)) from None


def why_missing(error: ImportError) -> str:
    """What to say where atheris cannot be imported."""
    where = f"{platform.system()} {platform.machine()}, {platform.python_implementation()}"
    if (sys.platform, platform.machine(), platform.python_implementation()) != ("linux", "x86_64", "CPython"):
        return f"atheris has wheels for CPython on Linux x86_64 only, and this is {where}"
    return f"atheris cannot be imported ({error}): pip install atheris"
