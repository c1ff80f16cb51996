"""The findings of a campaign as SARIF 2.1.0, which code-scanning services show beside the code.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; written by hand, since the libraries for it are not
kept any more.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from daxfuzz import __version__
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import CASE, Known

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "daxfuzzSignature/v1"


def sarif(directory: Directory, failing: Collection[str]) -> dict[str, Any]:
    """The document. failing: signatures of findings that count; the others are notes that are there already."""
    known = list(directory.findings.known.values())
    kinds = sorted(dict.fromkeys(each.kind for each in known))
    driver = {
        "name": "daxfuzz",
        "version": __version__,
        "rules": [{"id": kind, "shortDescription": {"text": kind.replace("-", " ")}} for kind in kinds],
    }
    results = [result(directory, each, kinds.index(each.kind), each.signature in failing) for each in known]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def result(directory: Directory, known: Known, rule: int, counts: bool) -> dict[str, Any]:
    """One finding."""
    cause = " + ".join(known.explained_by) or "nothing that is known"
    case = directory.findings.path(known) / CASE
    return {
        "ruleId": known.kind,
        "ruleIndex": rule,
        "level": "error" if counts else "note",
        "baselineState": "new" if counts else "unchanged",
        "message": {"text": f"{known.message} on {known.kernel}; explained by {cause}. daxfuzz repro {case}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": quote(case.as_posix())}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": known.signature, "kind": "function"}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: known.signature},
    }
