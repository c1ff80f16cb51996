"""Names of kernels under test that can be names of files."""

from __future__ import annotations

import re
from hashlib import sha256

from daxfuzz.program.case import KernelSpec

MAX_LENGTH = 100
"""Characters before the digest that tells shortened names apart."""


def kernel_id(spec: KernelSpec) -> str:
    """A name for a kernel on a file system, such as ``pin-wait.ext4``: different for different ones."""
    full = f"{spec}.{spec.filesystem}"
    return full if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", full) and len(full) <= MAX_LENGTH else file_name(full)


def file_name(text: str) -> str:
    """A file name that stands for any text: what is readable of it, and a digest."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
    return f"{plain[:MAX_LENGTH]}-{sha256(text.encode()).hexdigest()[:8]}"
