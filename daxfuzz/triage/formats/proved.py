"""The cause of a finding as constraints, in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daxfuzz.triage.proof import CLEAN, Needed, Proof, Run, order_of
from daxfuzz.triage.words import plural

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")

MANY = 10**15
"""From here on a number of interleavings is written as a power of ten."""


def proved(proof: Proof, tasks: Sequence[str]) -> str:
    """The constraints one a line, each with a run that shows what happens without it."""
    lines = [statement(proof)]
    for number, each in enumerate(proof.needed):
        lines += [f"  {number + 1}. {each.constraint}", f"     {without(each, number, len(proof.needed), tasks)}"]
    return "\n".join(lines)


def statement(proof: Proof) -> str:
    """What is proved, and how far."""
    count = len(proof.needed)
    kept = "satisfy it" if count == 1 else "satisfy them"
    head = plural(count, "constraint") if count else "No constraint"
    if not proof.exhausted:
        why = f"{proof.bound} cut the search" if " " not in proof.bound else proof.bound
        which = f"that {kept}" if count else "of the program"
        return f"{head}; {plural(proof.sampled, 'sampled interleaving')} {which} all fail ({why})."
    number = interleavings(proof)
    if not count:
        return f"{head}: all {number} of the program fail ({plural(proof.states, 'state')})."
    verb = "fails" if proof.interleavings == 1 else "fail"
    if proof.interleavings == 1 and not proof.loops:
        return f"{head}; the one interleaving that satisfies {kept.split()[1]} {verb}."
    return f"{head}; all {number} that {kept} {verb} ({plural(proof.states, 'state')})."


def interleavings(proof: Proof) -> str:
    """How many there are."""
    count = proof.interleavings
    number = f"{count:,}" if count < MANY else f"{count / 10 ** (digits := len(str(count)) - 1):.1f}*10^{digits}"
    least = "of at least " if proof.loops else ""
    return f"{least}{number} interleavings"


def without(needed: Needed, number: int, count: int, tasks: Sequence[str]) -> str:
    """What happens without a constraint."""
    which = "it" if count == 1 else f"the {ORDINALS[number]}" if number < len(ORDINALS) else f"number {number + 1}"
    if needed.without is None:
        return f"without {which} no run is known that passes"
    run = needed.without
    passes = "passes" if run.shows == CLEAN else f"shows {run.shows} instead"
    return f"without {which}, this one {passes}: {order_of(tasks, run.turns)}"


def proof_document(proof: Proof, tasks: Sequence[str]) -> dict[str, Any]:
    """The proof as JSON. Its keys are never renamed."""
    return {
        "statement": statement(proof),
        "kind": proof.kind,
        "exhausted": proof.exhausted,
        "bound": proof.bound,
        "interleavings": proof.interleavings,
        "loops": proof.loops,
        "states": proof.states,
        "sampled": proof.sampled,
        "smallest": proof.smallest,
        "executions": proof.executions,
        "constraints": [
            {
                "order": str(each.constraint),
                "without": None if each.without is None else run_document(each.without, tasks),
            }
            for each in proof.needed
        ],
    }


def run_document(run: Run, tasks: Sequence[str]) -> dict[str, Any]:
    """A run that does not fail."""
    return {"shows": run.shows or "none", "steps": order_of(tasks, run.turns)}
