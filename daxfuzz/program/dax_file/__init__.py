"""The .dax text form: one case as TOML, made to be read and edited by hand.

A case file may come from a stranger, and is data only: its size and nesting are bounded before a parser sees it, every
key and value is checked, and whatever is wrong with it becomes an InputError of one line. Names of protocols, patches,
bugs, file systems and findings are checked to be names; what they stand for is the registry's business.
"""

from daxfuzz.program.dax_file.limits import FORMAT_VERSION
from daxfuzz.program.dax_file.reader import default_mms, load_case, loads_case
from daxfuzz.program.dax_file.rewriter import rewrite_case
from daxfuzz.program.dax_file.writer import dumps_case
from daxfuzz.program.whole_file import save_text as save_case

__all__ = ["FORMAT_VERSION", "default_mms", "dumps_case", "load_case", "loads_case", "rewrite_case", "save_case"]
