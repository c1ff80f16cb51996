"""A finding as text for a commit message or a mail: what races, what follows, what the kernel prints, and when.

Plain ASCII, 75 columns. Every sentence is made of what the model and the case know: the kind of finding, the
docstrings of the repairs and bugs that explain it, wait channels, locks that are held, and the machine.
"""

from daxfuzz.triage.formats.commit.text import WIDTH, commit

__all__ = ["WIDTH", "commit"]
