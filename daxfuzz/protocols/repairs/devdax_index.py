"""N-140: compound pages of a character device name the place behind them (drivers/dax/device.c, v6.0)."""

from __future__ import annotations

from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Repair


class FixDevdaxIndex(Repair):
    """Round the fault's page down to the size of the fault.

    dax_set_mapping rounds the address up. A first fault in the middle of a PMD or PUD gives its compound page the index
    behind it, for good. memory_failure of any of its pages then unmaps and kills those who map the next PMD in place of
    this one, or nobody. One task and no race.
    """

    flaw = "N-140"
    upstream = "7fcbd9785d4c device-dax: correct pgoff align in dax_set_mapping() (v6.12)"

    class device_dax(DeviceDax):
        def linear_index(self, vmf: Fault) -> int:
            return vmf.index - vmf.index % vmf.pages
