#!/usr/bin/env python3
"""libFuzzer target: the protocol of the 2022 series' first version, on ext4, known flaws repaired."""

from daxfuzz.engines.atheris.harness import CORE, main
from daxfuzz.program.case import KernelSpec

if __name__ == "__main__":
    main(KernelSpec("series-v1-fixed"), CORE)
