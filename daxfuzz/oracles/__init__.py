"""Properties, one file each. An oracle subscribes to the events it needs and keeps its own ghost counts.

May import: program, kernel, sim.
"""
