"""A worker's side of slices: which engine runs one, and what the process remembers from one to the next."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from daxfuzz.campaign.atheris_slices import run_atheris
from daxfuzz.campaign.engines import ATHERIS, HYPOTHESIS, PORTFOLIO
from daxfuzz.campaign.hypothesis_slices import run_hypothesis
from daxfuzz.campaign.slices import Knowledge, Slice, SliceResult, run_portfolio
from daxfuzz.engines.code_version import version

_knowledge: OrderedDict[str, dict[str, Knowledge]] = OrderedDict()
"""Of this process, by campaign and by the kernel's name. A worker of a cluster may outlive a campaign."""

CAMPAIGNS = 4
"""Of which a worker remembers anything."""


def knowledge_of(campaign: str, kernel: str) -> Knowledge:
    """What this process knows of one kernel's corpus."""
    of_campaign = _knowledge.setdefault(campaign, {})
    _knowledge.move_to_end(campaign)
    while len(_knowledge) > CAMPAIGNS:
        _knowledge.popitem(last=False)
    return of_campaign.setdefault(kernel, Knowledge())


class VersionMismatch(RuntimeError):
    """A worker runs other code than who asks it to. One line."""


RUNNERS: dict[str, Callable[[Slice, Knowledge], SliceResult]] = {
    PORTFOLIO: run_portfolio,
    ATHERIS: run_atheris,
    HYPOTHESIS: run_hypothesis,
}
"""What runs a slice, by engine."""


def run_slice(job: Slice) -> SliceResult:
    """Run a slice, in a worker. Raises VersionMismatch, or as the execution loop."""
    check_version(job.version)
    started = time.monotonic()
    knowledge = knowledge_of(job.campaign, job.kernel_id)
    knowledge.learn(job.entries)
    result = RUNNERS[job.engine](job, knowledge)
    result.seconds = time.monotonic() - started
    return result


def check_version(wanted: str) -> None:
    """Raise VersionMismatch if this process runs other code than who asks."""
    if wanted != version():
        raise VersionMismatch(f"the worker's daxfuzz is {version()}, the campaign's is {wanted}: install the same code")
