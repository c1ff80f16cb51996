"""Who invents programs and schedules, and the loop that runs them on all cores.

May import: triage, search, oracles, program, protocols, kernel, sim.
"""
