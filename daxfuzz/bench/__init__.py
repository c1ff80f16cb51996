"""The project's own measurements.

May import: everything but cli.
"""
