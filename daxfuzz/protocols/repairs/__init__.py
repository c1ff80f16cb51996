"""Repairs of known flaws, one file each. A repair takes no lock, no wait and no operation away from other programs."""
