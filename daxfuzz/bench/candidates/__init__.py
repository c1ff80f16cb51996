"""What might repair a finding: small changes of the kernel under test under which it no longer shows.

The other way round than the audit, whose changes bring flaws in. May import: as the rest of bench.
"""

from daxfuzz.bench.candidates.search import Candidates, NoFailure, Tried, candidates_for

__all__ = ["Candidates", "NoFailure", "Tried", "candidates_for"]
