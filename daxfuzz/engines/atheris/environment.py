"""What a harness is told beside libFuzzer's options: by the environment, which its children inherit."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches

PROTOCOL = "DAXFUZZ_PROTOCOL"
FILESYSTEM = "DAXFUZZ_FILESYSTEM"
BUGS = "DAXFUZZ_BUGS"
PATCHES = "DAXFUZZ_PATCHES"
FEATURES = "DAXFUZZ_FEATURES"
"""Names of the variables. Bugs and patches are separated by blanks, patches quoted as in a shell; "0" switches features
off."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to fuzz. features: whether libFuzzer is shown any."""

    kernel: KernelChoice
    features: bool = True


def options(spec: KernelSpec, environment: Mapping[str, str] = os.environ) -> Options:
    """A harness's kernel, or what the environment says instead.

    Raises what composing the kernel raises, for names that there are not and for patches that do not fit.
    """
    spec = replace(
        spec,
        protocol=environment.get(PROTOCOL, spec.protocol),
        filesystem=environment.get(FILESYSTEM, spec.filesystem),
        bugs=tuple(environment[BUGS].split()) if BUGS in environment else spec.bugs,
    )
    kernel = with_patches(spec, shlex.split(environment.get(PATCHES, "")))
    kernel.composed()
    return Options(kernel, environment.get(FEATURES) != "0")
