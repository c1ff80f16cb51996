"""What calls do that come one after the other: a plain reference, and the model run beside it.

May import: what triage may.
"""
