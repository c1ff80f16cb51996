"""Tasks that wait for each other."""

from __future__ import annotations

from daxfuzz.oracles.hang import HangOracle, Wait, cycle


class Deadlock(HangOracle):
    """When nobody can go on, no cycle and no unexplained wait is left.

    A wait for a page that a user holds a reference of is the kernel's design, and so are one for a frozen file system
    to be thawed, one for a lease to be given back, one that a worker of the kernel would end, and any wait behind
    these; taking a lock that the task itself holds is reported as self-deadlock at the acquisition.
    """

    kinds = ("deadlock", "self-deadlock")

    def judge(self, found: list[Wait]) -> None:
        if any(wait.satisfied for wait in found):
            return
        ring = cycle(found)
        if ring:
            self.report(ring, "wait for each other")
        explained = [wait.task.index for wait in found if wait.holders or wait.frozen or wait.leased or wait.served]
        while True:
            more = [
                wait.task.index
                for wait in found
                if wait.task.index not in explained
                and any(other in explained for other in (*wait.waits_for, *wait.any_of))
            ]
            if not more:
                break
            explained += more
        rest = [wait for wait in found if wait.task.index not in explained]
        if rest:
            self.report(rest, "wait for what nobody will do")

    def report(self, found: list[Wait], what: str) -> None:
        text = ", ".join(f"{wait.task.name} on {wait.channel}" for wait in found)
        self.fail(
            "deadlock",
            f"tasks {what}: {text}",
            tasks=tuple(wait.task.name for wait in found),
            channel=" ".join(sorted({wait.channel for wait in found})),
        )
