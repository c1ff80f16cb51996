"""Campaigns: runs of weeks on many cores or machines, whose state is a directory of plain files.

May import: engines, triage, search, oracles, program, protocols, kernel, sim.
"""
