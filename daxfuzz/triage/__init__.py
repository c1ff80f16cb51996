"""From a failing execution to a finding: attribute, minimize, explain, render.

May import: search, oracles, program, protocols, kernel, sim.
"""
