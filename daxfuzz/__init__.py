"""daxfuzz searches the interleavings of DMA pins, page faults and truncates on Linux DAX pages.

It runs a model of the kernel's protocol under a scheduler that it controls and reports what goes wrong as
minimal, replayable cases. Each package below states in its own docstring what it may import.
"""

__version__ = "0.1.0"
