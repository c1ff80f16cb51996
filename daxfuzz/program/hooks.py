"""Who is called around the calls of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Hook = TypeVar("Hook", bound=Callable[..., None])


class CallHooks(dict[str, tuple[Hook, ...]], Generic[Hook]):
    """Per name of an operation the functions to call, in the order in which they were added."""

    def __init__(self) -> None:
        super().__init__()
        self._added: list[tuple[Hook, frozenset[str] | None]] = []

    def append(self, hook: Hook, names: Iterable[str] | None = None) -> None:
        """Add a function for calls of the given operations, by default of all."""
        self._added.append((hook, None if names is None else frozenset(names)))
        self.clear()

    def wrap(self, wrapper: Callable[[Hook], Hook]) -> None:
        """Put something around each function."""
        self._added = [(wrapper(hook), names) for hook, names in self._added]
        self.clear()

    def __missing__(self, name: str) -> tuple[Hook, ...]:
        found = self[name] = tuple(hook for hook, names in self._added if names is None or name in names)
        return found
