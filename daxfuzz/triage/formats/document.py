"""A replayed case as one JSON document."""

from __future__ import annotations

import json
from typing import Any

from daxfuzz.triage.formats.proved import proof_document
from daxfuzz.triage.render import Row
from daxfuzz.triage.story import Story


def as_json(story: Story) -> str:
    """The document as text."""
    return json.dumps(document(story), indent=2)


def document(story: Story) -> dict[str, Any]:
    """Its keys are never renamed."""
    replayed = story.replayed
    proof = None if story.proof is None else proof_document(story.proof, list(story.case.program.tasks))
    return {
        "reproduced": story.reproduced,
        "kind": replayed.kind,
        "signature": story.signature,
        "message": "" if replayed.found is None else replayed.found.message,
        "host": "trio",
        "via": replayed.via,
        "executions": replayed.tried,
        "diverged": replayed.diverged,
        "cannot_replay": replayed.impossible,
        "proof": proof,
        "digest": replayed.execution.digest(),
        "rows": [row_document(row) for row in story.rows],
    }


def row_document(row: Row) -> dict[str, Any]:
    """One step."""
    return {
        "turn": row.turn,
        "task": row.task,
        "call": row.call,
        "function": row.function,
        "access": row.access,
        "object": row.object,
        "value": row.value,
        "changed": list(row.changed),
    }
