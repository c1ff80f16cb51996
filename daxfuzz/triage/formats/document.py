"""A replayed case as one JSON document, which trace.schema.json beside this file describes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from daxfuzz.triage.formats.proved import proof_document
from daxfuzz.triage.story import Ordered, Story
from daxfuzz.triage.trace import Place, Step, TaskView

VERSION = 1
"""Of the document; it grows with a change that somebody who reads an older one has to know of."""

Document = dict[str, Any]

LONG = ("places", "rows")
"""Lists with one entry a line."""


def as_json(story: Story) -> str:
    """The document as text: one step a line."""
    whole = document(story)
    lines = []
    for key, value in whole.items():
        if key in LONG and value:
            entries = ",\n    ".join(json.dumps(each) for each in value)
            text = f"[\n    {entries}\n  ]"
        else:
            text = json.dumps(value, indent=2).replace("\n", "\n  ")
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def document(story: Story) -> Document:
    """Its keys are never renamed."""
    replayed, trace = story.replayed, story.trace
    places = Places()
    tasks = places.tasks(trace.tasks)
    rows = [places.row(step) for step in trace.steps]
    spec = replayed.bench.kernel.spec
    proof = None if story.proof is None else proof_document(story.proof, list(story.case.program.tasks))
    return {
        "version": VERSION,
        "reproduced": story.reproduced,
        "kind": replayed.kind,
        "signature": story.signature,
        "message": "" if replayed.found is None else replayed.found.message,
        "verdict": story.verdict,
        "host": "trio",
        "via": replayed.via,
        "executions": replayed.tried,
        "diverged": replayed.diverged,
        "cannot_replay": replayed.impossible,
        "proof": proof,
        "digest": replayed.execution.digest(),
        "kernel": {
            "protocol": spec.protocol,
            "patches": list(spec.patches),
            "bugs": list(spec.bugs),
            "filesystem": spec.filesystem,
        },
        "program": {name: [str(call) for call in calls] for name, calls in story.case.program.tasks.items()},
        "order": [order_document(each) for each in story.constraints],
        "state": dict(trace.state),
        "groups": dict(trace.groups),
        "tasks": tasks,
        "places": places.documents(),
        "rows": rows,
    }


def order_document(ordered: Ordered) -> Document:
    """One constraint."""
    return {
        "before": str(ordered.constraint.before),
        "after": str(ordered.constraint.after),
        "before_turn": ordered.before,
        "after_turn": ordered.after,
    }


class Places:
    """Numbers the places, since stacks repeat them."""

    def __init__(self) -> None:
        self.numbers: dict[Place, int] = {}

    def documents(self) -> list[Document]:
        """All of them, by number."""
        return [{"function": each.function, "file": each.file, "line": each.line} for each in self.numbers]

    def stack(self, places: Sequence[Place]) -> list[int]:
        """A stack by numbers."""
        return [self.numbers.setdefault(place, len(self.numbers)) for place in places]

    def task(self, view: TaskView) -> Document:
        """A task between two steps."""
        return {
            "state": view.state,
            "call": view.call,
            "stack": self.stack(view.stack),
            "next": view.next,
            "waits_for": view.waits_for,
            "blocked_by": list(view.blocked_by),
            "holds": [{"lock": each.lock, "write": each.write} for each in view.holds],
        }

    def tasks(self, views: Mapping[str, TaskView]) -> Document:
        """Several tasks, by name."""
        return {name: self.task(view) for name, view in views.items()}

    def row(self, step: Step) -> Document:
        """One step."""
        return {
            "turn": step.turn,
            "task": step.task,
            "call": step.call,
            "function": step.function,
            "access": step.access,
            "object": step.object,
            "value": step.value,
            "changed": list(step.changed),
            "label": str(step.label),
            "stack": self.stack(step.stack),
            "clock": list(step.clock),
            "woken": list(step.woken),
            "released": list(step.released),
            "state": dict(step.state),
            "tasks": self.tasks(step.tasks),
        }
