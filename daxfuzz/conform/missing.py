"""What this machine lacks."""

from __future__ import annotations

import shutil


class Missing(Exception):
    """A tool, a package or a kernel that a boot needs is not there. One line that says what to do."""


def tool(name: str, package: str) -> str:
    """The path of a program. Raises Missing with the Debian package that has it."""
    found = shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is not installed; on Debian: apt-get install {package}")
    return found
