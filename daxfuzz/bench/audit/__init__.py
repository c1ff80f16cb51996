"""Mutation testing of a protocol: which lines of the model are load-bearing, and what no oracle or workload sees.

A mutant is the kernel with one step of one function dropped, weakened or moved. It dies when an execution of the
default workload shows a finding; one that lives either changes nothing that can be seen, which reasons.toml has to
explain, or shows a hole in the oracles or in the workload.

May import: everything but cli.
"""
