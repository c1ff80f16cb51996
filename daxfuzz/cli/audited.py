"""What audits say about the power of a run that finds nothing."""

from __future__ import annotations

from daxfuzz.bench.audit.reasons import LastAudit, last_audit
from daxfuzz.cli.output import plural


def in_words(figures: LastAudit) -> str:
    """The figures of an audit."""
    return (
        f"{figures.killed:,} of {plural(figures.mutants, 'mutant')} of {figures.protocol} killed "
        f"({100 * figures.share:.1f} %, {figures.executions:,} executions each)"
    )


def audited(*protocols: str) -> list[str]:
    """One line for each protocol that was audited, for below a result without findings."""
    audits = [last_audit(protocol) for protocol in dict.fromkeys(protocols)]
    return [f"Last audit: {in_words(figures)}." for figures in audits if figures is not None]
