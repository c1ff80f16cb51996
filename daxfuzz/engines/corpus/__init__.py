"""What is done with collections of cases and inputs: converting, adding, merging, counting.

May import: what engines may.
"""
