"""Generations of the protocol, patches, repairs: what differs between kernels.

A kernel under test is a base plus an ordered list of patches. See :mod:`daxfuzz.protocols.patch` for how one is
written and :mod:`daxfuzz.protocols.compose` for how they are put together.

May import: kernel, sim.
"""
