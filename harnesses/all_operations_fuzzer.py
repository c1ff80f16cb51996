#!/usr/bin/env python3
"""libFuzzer target: the protocol of v6.0 on xfs, known flaws repaired, with everything that tasks can call."""

from daxfuzz.engines.atheris.harness import main
from daxfuzz.program.case import KernelSpec

if __name__ == "__main__":
    main(KernelSpec("refcount-1-fixed", filesystem="xfs"))
