"""``daxfuzz conform --case``: a finding of the model, tried on a real kernel."""

from __future__ import annotations

import click

from daxfuzz.cli.errors import CANNOT_REPLAY
from daxfuzz.cli.options import print_json
from daxfuzz.cli.output import plural
from daxfuzz.conform.bridge import Bridged, Verdict, bridge
from daxfuzz.conform.kernels import cached
from daxfuzz.conform.profiles import Profile
from daxfuzz.conform.runner import Machine
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice

EXIT = {Verdict.REPRODUCED: 1, Verdict.NOT_REPRODUCED: 0, Verdict.NOT_EXPRESSIBLE: CANNOT_REPLAY}


def run_case(path: str, profile: Profile, attempts: int, as_json: bool) -> int:
    """Try a case. Exit code: 1 reproduced, 0 not reproduced, 125 not expressible."""
    case = load_case(path)
    with Machine(cached(profile.version)) as machine:
        found = bridge(case, KernelChoice(case.kernel), profile, machine.run, attempts)
    if as_json:
        print_json(document(profile, found))
    else:
        show(profile, found)
    return EXIT[found.verdict]


def document(profile: Profile, found: Bridged) -> dict[str, object]:
    """What --json prints."""
    plan = found.plan
    names = list(plan.sequence.program.tasks) if plan else []
    return {
        "kernel": profile.name,
        "verdict": found.verdict.value,
        "reason": found.reason,
        "attempts": found.attempts,
        "steps": [[names[task] for task in group] for group in plan.groups] if plan else [],
        "tasks": {name: [str(call) for call in calls] for name, calls in plan.sequence.program.tasks.items()}
        if plan
        else {},
        "notes": plan.notes if plan else [],
        "outcome": [dict(facts) for facts in found.outcome],
    }


def show(profile: Profile, found: Bridged) -> None:
    """The same for a reader."""
    if found.plan is None:
        click.echo(f"{found.verdict}: {found.reason}")
        return
    plan = found.plan
    done = [0] * len(plan.sequence.program.tasks)
    calls = list(plan.sequence.program.tasks.items())
    for group, facts in zip(plan.groups, found.outcome[1:], strict=False):
        words = []
        for task in group:
            words.append(f"{calls[task][0]}: {calls[task][1][done[task]]}")
            done[task] += 1
        click.echo(f"{' | '.join(words)}\n    {', '.join(f'{key} {value}' for key, value in facts.items())}")
    for note in plan.notes:
        click.echo(f"({note})")
    click.echo(f"{found.verdict} on {profile.name} in {plural(found.attempts, 'attempt')}")
