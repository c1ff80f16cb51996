"""Puts a kernel together from the base and a list of patches, by normal method resolution.

The rules it enforces, each with a message that names patch, subsystem and function:
- the fields of a patch have the types that they are declared with;
- a hunk derives from the subsystem it is named after;
- a function that overrides nothing is listed in `adds`, and one that is listed there overrides nothing;
- an override keeps the parameters of what it overrides;
- a function that an earlier patch overrides is overridden again only through ``super()``, by a hunk that derives
  from the earlier hunk, or by a patch that names the earlier one in `replaces`;
- of two patches that override a function, the one applied later comes first.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.protocols.patch import Patch


class ComposeError(ValueError):
    """The patches do not fit together. One line."""


@dataclass(frozen=True, slots=True)
class ComposedKernel:
    """A kernel under test.

    patches: what was applied, in order.
    subsystems: the class of each subsystem.
    renames: function names to print, by the model's own.
    """

    patches: tuple[type[Patch], ...]
    subsystems: dict[str, type[Subsystem]]
    renames: dict[str, str]


def compose(patches: Sequence[type[Patch]]) -> ComposedKernel:
    """Apply patches in order to the base. Raises ComposeError."""
    hunks: dict[str, list[tuple[type[Patch], type[Subsystem]]]] = {name: [] for name in SUBSYSTEMS}
    renames: dict[str, str] = {}
    for patch in patches:
        if patches.count(patch) > 1:
            raise ComposeError(f"{patch.slug()} is applied twice")
        check_fields(patch)
        check_names(patch)
        for name, hunk in patch.hunks().items():
            check_hunk(patch, name, hunk, hunks[name])
            hunks[name].append((patch, hunk))
        renames |= patch.renames
    subsystems = {name: linearize(name, [hunk for _, hunk in applied]) for name, applied in hunks.items()}
    return ComposedKernel(tuple(patches), subsystems, renames)


def linearize(name: str, hunks: list[type[Subsystem]]) -> type[Subsystem]:
    """One class whose method resolution visits the hunks from the last to the first, then the base."""
    base = SUBSYSTEMS[name]
    if not hunks:
        return base
    # A hunk that a later one derives from already comes in through it.
    bases = [hunk for i, hunk in enumerate(hunks) if not any(issubclass(later, hunk) for later in hunks[i + 1 :])]
    try:
        cls = types.new_class(base.__name__, (*reversed(bases), base), exec_body=lambda body: body.update(__slots__=()))
    except TypeError as error:
        raise ComposeError(f"{name}: the patches cannot be put in one order: {error}") from None
    check_order(name, cls, hunks)
    return cls


def check_order(name: str, cls: type[Subsystem], hunks: list[type[Subsystem]]) -> None:
    """Of two hunks with one function, the later one comes first.

    A hunk that derives from an early one pulls it in front of those applied between the two. That loses nothing where
    the early one goes on to the other through ``super()``.
    """
    for position, early in enumerate(hunks):
        for late in hunks[position + 1 :]:
            theirs = functions_of(early)
            both = sorted(name for name in functions_of(late) if name in theirs and not calls_super(theirs[name], name))
            if both and cls.__mro__.index(early) < cls.__mro__.index(late):
                raise ComposeError(
                    f"{name}: {both[0]} of {late.__qualname__} is lost behind {early.__qualname__}; "
                    f"apply it later, or derive it from {early.__qualname__}"
                )


def check_fields(patch: type[Patch]) -> None:
    """The fields of a patch are of the types that Patch declares: those of a user's own may not be typed."""
    if not is_mapping_of(patch.renames, str):
        raise ComposeError(f"{patch.slug()}: renames maps names to names, such as {{'old': 'new'}}")
    if not isinstance(patch.replaces, tuple) or not all(
        isinstance(each, type) and issubclass(each, Patch) for each in patch.replaces
    ):
        raise ComposeError(f"{patch.slug()}: replaces is a tuple of patches, such as (OtherPatch,)")
    if not is_mapping_of(patch.adds, tuple):
        raise ComposeError(f"{patch.slug()}: adds maps subsystems to tuples of names, such as {{'dax': ('new',)}}")
    for name in patch.adds:
        if name not in patch.hunks():
            raise ComposeError(f"{patch.slug()}: adds names the subsystem {name}, for which there is no hunk")


def is_mapping_of(field: object, value: type) -> bool:
    """Whether a field maps names to values of a type."""
    return isinstance(field, Mapping) and all(
        isinstance(key, str) and isinstance(each, value) for key, each in field.items()
    )


def check_names(patch: type[Patch]) -> None:
    """Every nested class is the hunk of a subsystem that exists."""
    for name, member in vars(patch).items():
        if isinstance(member, type) and name not in SUBSYSTEMS:
            raise ComposeError(f"{patch.slug()}: no subsystem {name}; there are {', '.join(SUBSYSTEMS)}")
        if isinstance(member, type) and not issubclass(member, SUBSYSTEMS[name]):
            raise ComposeError(f"{patch.slug()}: hunk {name} does not derive from {SUBSYSTEMS[name].__name__}")


def check_hunk(
    patch: type[Patch], name: str, hunk: type[Subsystem], earlier: list[tuple[type[Patch], type[Subsystem]]]
) -> None:
    """The rules for one hunk on top of those before it."""
    adds = patch.adds.get(name, ())
    functions = functions_of(hunk)
    for missing in sorted(set(adds) - set(functions)):
        raise ComposeError(f"{patch.slug()}: adds {name}.{missing}, which the hunk does not define")
    known = [SUBSYSTEMS[name], *(other for _, other in earlier)]
    for base in hunk.__mro__[1:]:
        if issubclass(base, SUBSYSTEMS[name]) and base not in known:
            raise ComposeError(f"{patch.slug()}: {name} builds on {base.__qualname__}, which is not applied before it")
    for function, code in functions.items():
        overridden = [cls for cls in known if function in vars(cls) or hasattr(SUBSYSTEMS[name], function)]
        if not overridden and function not in adds:
            raise ComposeError(f"{patch.slug()}: {name}.{function} overrides nothing; list it in adds if it is new")
        if overridden and function in adds:
            raise ComposeError(f"{patch.slug()}: adds {name}.{function}, which exists")
        if overridden:
            check_override(patch, name, hunk, function, code, earlier)


def check_override(
    patch: type[Patch],
    name: str,
    hunk: type[Subsystem],
    function: str,
    code: types.FunctionType,
    earlier: Iterable[tuple[type[Patch], type[Subsystem]]],
) -> None:
    """One overriding function: same parameters, and no silent loss of an earlier patch's override."""
    previous = [(other, theirs) for other, theirs in earlier if function in vars(theirs)]
    original = vars(previous[-1][1])[function] if previous else getattr(SUBSYSTEMS[name], function)
    if list(inspect.signature(code).parameters) != list(inspect.signature(original).parameters):
        raise ComposeError(
            f"{patch.slug()}: {name}.{function}{inspect.signature(code)} changes the parameters of "
            f"{function}{inspect.signature(original)}"
        )
    if calls_super(code, function):
        return
    for other, theirs in previous:
        if not issubclass(hunk, theirs) and other not in patch.replaces:
            raise ComposeError(
                f"{patch.slug()}: {name}.{function} overrides what {other.slug()} did; "
                f"derive the hunk from {other.__name__}.{name}, call super(), or name {other.__name__} in replaces"
            )


def calls_super(code: types.FunctionType, function: str) -> bool:
    """Whether an override goes on to what it overrides."""
    return {"super", function} <= set(code.__code__.co_names)


def functions_of(hunk: type[Subsystem]) -> dict[str, types.FunctionType]:
    """The functions that a hunk defines itself."""
    return {name: member for name, member in vars(hunk).items() if isinstance(member, types.FunctionType)}
