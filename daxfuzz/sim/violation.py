"""A broken property, as the oracles and primitives report it."""

from __future__ import annotations


class Violation(Exception):
    """Ends the execution in which it is raised.

    kind: the kind of finding, such as ``deadlock``.
    message: one sentence for a reader.
    function: the function of the program that broke the property; empty when the reporter cannot know it yet.
    channel: what the tasks wait for, when the violation is a hang; part of the signature of the finding.
    tasks: names of the tasks involved, in index order.
    """

    def __init__(
        self, kind: str, message: str, *, function: str = "", channel: str = "", tasks: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.function = function
        self.channel = channel
        self.tasks = tasks
