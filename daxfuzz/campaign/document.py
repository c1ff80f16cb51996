"""A campaign as plain values, for JSON and for the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import CASE, Known
from daxfuzz.campaign.risk import SHARES, depth_risks, unseen_features


def document(directory: Directory) -> dict[str, Any]:
    """All figures of a campaign. Keys are stable."""
    totals = directory.totals
    whole = totals.whole
    counts = directory.counts()
    return {
        "directory": str(directory.path),
        "seconds": round(totals.running, 3),
        "starts": totals.starts,
        "slices": whole.slices,
        "executions": whole.executions,
        "steps": whole.steps,
        "executions_per_second": round(whole.executions / totals.running, 1) if totals.running else 0.0,
        "user_held": whole.stuck,
        "features": directory.features,
        "inputs": sum(len(corpus.entries) for corpus in directory.corpora.values()),
        "findings": [entry(directory, known, counts) for known in directory.findings.known.values()],
        "pending": len(directory.pending.waiting),
        "lost_jobs": totals.lost,
        "errors": totals.errors,
        "canary": canary(directory),
        "ways": ways(directory),
        "unseen": {
            kernel: {**asdict(each), "next_new": each.next_new, "at_least": each.at_least}
            for kernel, each in unseen_features(directory).items()
        },
        "pct": {
            kernel: [{**asdict(each), "unseen": {str(s): each.unseen(s) for s in SHARES}} for each in risks]
            for kernel, risks in depth_risks(directory).items()
        },
    }


def entry(directory: Directory, known: Known, counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    """One finding."""
    return {
        "kind": known.kind,
        "signature": known.signature,
        "explained_by": list(known.explained_by),
        "kernel": known.kernel,
        "engine": known.engine,
        "strategy": known.strategy,
        "case": str(directory.findings.path(known) / CASE),
        "executions_to_find": known.executions,
        "found_after": known.running,
        "hits": counts.get(known.signature, {}),
        "stale": known.stale or None,
        "tasks": known.tasks,
        "operations": known.operations,
        "preemptions": known.preemptions,
        "choices": known.choices,
        "steps": known.steps,
    }


def canary(directory: Directory) -> dict[str, Any] | None:
    """The canary; None if there is none."""
    planted, state = directory.config.canary, directory.totals.canary
    if planted is None:
        return None
    return {
        "bug": planted.bug,
        "alive": state.alive,
        "hunts": state.hunts,
        "found": state.found,
        "last_executions": state.last_executions,
    }


def ways(directory: Directory) -> list[dict[str, Any]]:
    """What each kernel, engine and strategy has had and has brought."""
    return [
        {
            "kernel": kernel,
            "engine": engine,
            "strategy": strategy,
            "slices": past.slices,
            "executions": past.executions,
            "seconds": round(past.seconds, 3),
            "new_features": past.new_features,
        }
        for (kernel, engine, strategy), past in sorted(directory.totals.by_arm.items())
    ]
