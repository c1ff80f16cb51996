"""The model of Linux: pages, page tables, the page cache, GUP, DAX and file systems.

Small functions with the kernel's names, one class a kernel file. The functions here are those of v6.0, the base of
the 2022 series; what other generations do differently is a patch in daxfuzz.protocols.

May import: sim.
"""
