#!/usr/bin/env python3
"""libFuzzer target: the protocol of v6.0 with patches 01 to 03 of the 2022 series, on ext4, known flaws repaired."""

from daxfuzz.engines.atheris.harness import CORE, main
from daxfuzz.program.case import KernelSpec

if __name__ == "__main__":
    main(KernelSpec("pin-wait-fixed"), CORE)
