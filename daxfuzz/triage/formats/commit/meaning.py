"""What a finding means for who runs the kernel: its cause and its consequence, in sentences."""

from __future__ import annotations

import inspect
import re
import sys

from daxfuzz.oracles.registry import ORACLES
from daxfuzz.protocols.patch import Bug, Repair
from daxfuzz.protocols.registry import BUGS, patch
from daxfuzz.sim import TaskState
from daxfuzz.triage.formats.commit.ending import Stuck
from daxfuzz.triage.formats.commit.kernel_functions import is_there, kernel_function, named
from daxfuzz.triage.formats.commit.race import kernel_name
from daxfuzz.triage.story import Story
from daxfuzz.triage.words import listed

CORRUPTS = (
    "What the other then writes there is lost, or ends up in the data or the metadata of whoever has the block next."
)

REPAIRING = re.compile(r"\b([Rr]epair\w*|upstream|v[23] (of the series|heeds)|F-\d+\w?)\b")
"""In what a docstring says of its repair rather than of the flaw."""

CONSEQUENCES = {
    "freed-while-pinned": f"The device goes on with a block that another file can get. {CORRUPTS}",
    "freed-while-referenced": f"Whoever has the reference goes on with a block that another file can get. {CORRUPTS}",
    "freed-while-mapped": f"The process goes on with a block that another file can get. {CORRUPTS}",
    "stale-tlb": f"The processor goes on with a block that another file can get. {CORRUPTS}",
    "dma-corruption": "Data of the device has overwritten the block of another owner.",
    "cow-ownership": "The device goes on with a page that its process does not have any more: neither sees what the"
    " other writes.",
    "refcount-underflow": "Somebody's reference is gone, and the page can be taken for idle or go while it is used.",
    "refcount-mismatch": "The page is taken for idle while it is used, or for busy while it is not.",
    "leak": "The page never gets idle again: a truncate or the removal of its device that waits for it never returns.",
    "use-after-free": "What is read there is what others have written meanwhile, and what is written corrupts theirs.",
    "lock-order": "Two tasks that do this at the same time wait for each other for ever.",
    "stale-pte": "The process reads and writes what is not, or no longer, the page of its file.",
    "stale-data": "A process reads what it, or another one, has overwritten before.",
    "lost-dirty-data": "Data for which fsync(2) has returned 0 is not on the medium: a crash loses it.",
    "unflushed-data": "Data is in the caches of the processor only, and no later fsync(2) finds it: a crash loses it.",
    "association": "Who comes from the page, a memory failure or a reverse mapping, finds the wrong file or none.",
}


def cause(story: Story) -> str:
    """What is wrong: what the repair that explains the finding says of its flaw; else what was seen."""
    names = [*story.case.kernel.bugs, *story.case.repaired_by]
    found = " ".join(filter(None, (mistake(name) for name in names)))
    return found or f"{sentence(story)} No repair of a known flaw prevents it."


def mistake(name: str) -> str:
    """What a bug does wrong, or what a repair repairs, with its mechanism."""
    known: type[Bug | Repair] = BUGS[name] if name in BUGS else patch(name)  # type: ignore[assignment]
    paragraphs = paragraphs_of(known)
    if issubclass(known, Bug):
        return " ".join(paragraphs)
    module = sys.modules[known.__module__].__doc__ or ""
    match = re.match(rf"{known.flaw}: (.*?)\n\n|{known.flaw}: (.*)", module, re.DOTALL)
    title = capital(" ".join((match[1] or match[2]).split())) if match else ""
    return " ".join([title, *(each for each in sentences(paragraphs[1:]) if not REPAIRING.search(each))]).strip()


def sentences(paragraphs: list[str]) -> list[str]:
    return [each for paragraph in paragraphs for each in re.split(r"(?<=\.) ", paragraph)]


def paragraphs_of(cls: type) -> list[str]:
    """The paragraphs of a docstring, each on one line."""
    return [" ".join(each.split()) for each in (inspect.getdoc(cls) or "").split("\n\n")]


def shown_place(story: Story) -> str:
    """The function of the kernel in which a finding shows."""
    protocol = story.case.kernel.protocol
    if not is_there(story.function, protocol):
        return kernel_function(story.trace.steps[-1], protocol)
    return named(story.function, protocol)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(story: Story) -> str:
    """What the oracle has seen."""
    found = story.replayed.found
    assert found is not None
    where = f", in {shown_place(story)}()" if shown_place(story) else ""
    text = kernel_name(found.message)
    named = text.split()[0] in story.case.program.tasks
    return f"{text if named else capital(text)}{where}."


def consequence(story: Story, stuck: list[Stuck]) -> str:
    """What happens to whom."""
    found = story.replayed.found
    assert found is not None
    if stuck:
        return " ".join([sentence(story), *(held(each) for each in stuck if each.held)])
    return f"{sentence(story)} {CONSEQUENCES.get(found.kind) or property_of(found.kind)}"


def held(each: Stuck) -> str:
    """Who else hangs because of a task that does."""
    if each.state is TaskState.UNINTERRUPTIBLE:
        return f"{each.task} holds {listed(each.held)}: whoever needs one of these hangs, too."
    return f"{each.task} holds {listed(each.held)}: whoever needs one of these hangs as long as it does."


def property_of(kind: str) -> str:
    """What an oracle asks for, which does not hold."""
    oracle = next((each for each in ORACLES if kind in each.kinds), None)
    rule = paragraphs_of(oracle)[0] if oracle is not None else ""
    return f"What does not hold any more: {rule}" if rule else ""
