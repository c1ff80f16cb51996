"""Hypothesis strategies for programs, schedules and cases; for users, they are daxfuzz.strategies.

May import: hypothesis, and what engines may.
"""
