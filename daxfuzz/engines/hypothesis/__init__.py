"""hypothesis as an engine: it draws programs and goes by what they show; triage is that of the built-in engine.

May import: hypothesis, and what engines may.
"""
