#!/usr/bin/env python3
"""libFuzzer target: a kernel with a planted bug, found soon if all is well: truncate waits for nobody who has a pin."""

from daxfuzz.engines.atheris.harness import CORE, main
from daxfuzz.program.case import KernelSpec

if __name__ == "__main__":
    main(KernelSpec("refcount-1-fixed", bugs=("truncate-ignores-dma-pins",)), CORE)
