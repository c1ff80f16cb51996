"""Real kernels under emulation: sequences of operations on them and on the model, what came of them, and what differs.

May import: triage, search, program, protocols, kernel, sim.
"""
