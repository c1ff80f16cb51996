#!/usr/bin/env python3
"""libFuzzer target: the protocol of v6.19, on xfs, known flaws repaired."""

from daxfuzz.engines.atheris.harness import CORE, main
from daxfuzz.program.case import KernelSpec

if __name__ == "__main__":
    main(KernelSpec("refcount-0-fixed", filesystem="xfs"), CORE)
