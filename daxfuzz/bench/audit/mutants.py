"""Mutants: the changes that the operators make of the functions of a composed kernel, each as a patch."""

from __future__ import annotations

import ast
import hashlib
import operator
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import daxfuzz
from daxfuzz.bench.audit.operators import OPERATORS
from daxfuzz.bench.audit.operators.change import FALSE, TRUE, Change, asserts
from daxfuzz.bench.audit.source import Edit, Source, expression, statement
from daxfuzz.engines.points import live_functions
from daxfuzz.kernel.kernel import FILESYSTEM_OF, FILESYSTEMS, SUBSYSTEMS
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.protocols.compose import ComposedKernel, compose
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import UnknownName, build
from daxfuzz.triage.bench import KernelChoice

Site = tuple[str, int, str]
"""Something that may come by: full name of a function, the number of a statement or expression in it, and how the
expression comes out (operators.Change); empty for a statement, and for an expression however it comes out."""


@dataclass(frozen=True, slots=True)
class Live:
    """A function that a composed kernel can run. subsystems: the names of those that have it."""

    function: types.FunctionType
    owner: type[Subsystem]
    subsystems: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its full name, which says what patch it is from."""
        return self.function.__qualname__

    @property
    def filesystems(self) -> tuple[str, ...]:
        """On which it can run."""
        found = [FILESYSTEM_OF.get(each) for each in self.subsystems]
        return tuple(FILESYSTEMS) if None in found else tuple(each for each in FILESYSTEMS if each in found)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function.

    name: FUNCTION:OPERATOR:N, with the N-th change of the operator in the function.
    file, line, text: of what is changed; the file from the root of the package.
    sites: of which at least one has to come by before the change can matter.
    digest: of the changed function.
    """

    name: str
    live: Live
    operator: str
    file: str
    line: int
    text: str
    sites: tuple[Site, ...]
    digest: str
    change: Change

    @property
    def function(self) -> str:
        return self.live.name

    def code(self) -> types.FunctionType:
        """The changed function."""
        edit = Edit(source_of(self.live.function))
        self.change.apply(edit)
        return edit.function()


@lru_cache(maxsize=4096)
def source_of(function: types.FunctionType) -> Source:
    """The tree of a function."""
    return Source(function)


HOST = ("virtiofsd",)
"""Subsystems that are no part of the kernel."""


def live_of(kernel: ComposedKernel) -> list[Live]:
    """Every function of a composed kernel that can be called, each once."""
    found: dict[types.FunctionType, Live] = {}
    for name, cls in kernel.subsystems.items():
        if name in HOST:
            continue
        for function in live_functions(cls):
            owner = next(base for base in cls.__mro__ if vars(base).get(function.__name__) is function)
            if owner is Subsystem or not can_replace(kernel, name, owner, function):
                continue
            known = found.get(function)
            before = () if known is None else known.subsystems
            found[function] = Live(function, owner, (*before, name))
    return list(found.values())


def can_replace(kernel: ComposedKernel, name: str, owner: type[Subsystem], function: types.FunctionType) -> bool:
    """Whether a hunk can take the place of a function: not if a class of the base hides it but calls it."""
    return getattr(base_of_hunk(kernel, name, owner), function.__name__, None) is function


def base_of_hunk(kernel: ComposedKernel, name: str, owner: type[Subsystem]) -> type[Subsystem]:
    """What a hunk derives from that overrides a function of a class: the hunk that has it, or the subsystem."""
    return SUBSYSTEMS[name] if issubclass(SUBSYSTEMS[name], owner) else owner


@lru_cache(maxsize=8)
def mutants_of(protocol: str) -> tuple[Mutant, ...]:
    """All mutants of a protocol, in the order of subsystems and source. Raises UnknownName."""
    return tuple(mutant for live in live_in(protocol) for mutant in mutants_in(live))


@lru_cache(maxsize=8)
def live_in(protocol: str) -> tuple[Live, ...]:
    """The functions of a protocol. Raises UnknownName."""
    return tuple(live_of(build(protocol, ())))


def mutant_named(protocol: str, name: str) -> Mutant:
    """One mutant of a protocol. Raises UnknownName."""
    function = name.partition(":")[0]
    for live in live_in(protocol):
        for mutant in mutants_in(live) if live.name == function else ():
            if mutant.name == name:
                return mutant
    raise UnknownName(f"no mutant {name!r} of {protocol}; see daxfuzz audit {protocol} --list")


@lru_cache(maxsize=4096)
def mutants_in(live: Live) -> tuple[Mutant, ...]:
    """The mutants of one function, without those that change nothing, or nothing but a warning, and those that another
    operator makes, too."""
    return tuple(_made_in(live))


def _made_in(live: Live) -> Iterator[Mutant]:
    source = source_of(live.function)
    seen = {fingerprint(Edit(source).tree)}
    for name, changes in OPERATORS.items():
        found = sorted(changes(source), key=lambda each: (each.at.lineno, each.at.col_offset))
        for number, change in enumerate(found, start=1):
            edit = Edit(source)
            change.apply(edit)
            text = fingerprint(edit.tree)
            if text in seen or asserts(source, change):
                continue
            seen.add(text)
            yield Mutant(
                f"{live.name}:{name}:{number}",
                live,
                name,
                str(Path(source.file).relative_to(Path(daxfuzz.__file__).parents[1])),
                change.at.lineno,
                source.text[change.at.lineno],
                sites_of(live, source, change),
                hashlib.sha256(text.encode()).hexdigest()[:16],
                change,
            )


def sites_of(live: Live, source: Source, change: Change) -> tuple[Site, ...]:
    """What has to come by before a change can matter."""
    if change.outcome:
        return ((live.name, source.number_of(change.at), change.outcome),)
    return tuple((live.name, source.number_of(each), "") for each in change.statements)


def fingerprint(tree: ast.AST) -> str:
    """Equal for equal code."""
    return ast.unparse(ast.fix_missing_locations(tree))


def texts_of(mutant: Mutant) -> tuple[str, str]:
    """The source of a function and of the changed one, both without comments."""
    source = source_of(mutant.live.function)
    edit = Edit(source)
    mutant.change.apply(edit)
    return fingerprint(source.tree), fingerprint(edit.tree)


# -- kernels ---------------------------------------------------------------------------------------------------------


def with_functions(kernel: ComposedKernel, changed: Sequence[tuple[Live, types.FunctionType]]) -> ComposedKernel:
    """A kernel with functions in place of its own: patches, each applied right after the one whose function it has."""
    hunks: dict[type[Subsystem], dict[str, dict[str, types.FunctionType]]] = {}
    for live, function in changed:
        for name in live.subsystems:
            base = base_of_hunk(kernel, name, live.owner)
            hunks.setdefault(base, {}).setdefault(name, {})[function.__name__] = function
    patches: list[type[Patch]] = [
        changed_hunk(base, name, functions)
        for base, named in hunks.items()
        if base in SUBSYSTEMS.values()
        for name, functions in named.items()
    ]
    for patch in kernel.patches:
        patches.append(patch)
        for name, hunk in patch.hunks().items():
            if name in hunks.get(hunk, {}):
                patches.append(changed_hunk(hunk, name, hunks[hunk][name]))
    return compose(patches)


def changed_hunk(base: type[Subsystem], name: str, functions: dict[str, types.FunctionType]) -> type[Patch]:
    """A patch with one hunk."""
    hunk = types.new_class(base.__name__, (base,), exec_body=lambda body: body.update(__slots__=(), **functions))
    return type("Changed", (Patch,), {"__doc__": "A step of the model changed.", name: hunk})


@dataclass(frozen=True, slots=True)
class MutantChoice(KernelChoice):
    """A kernel under test with one mutant in it. mutant: its name."""

    mutant: str = ""

    def composed(self) -> ComposedKernel:
        return _with_mutant(self.spec.protocol, self.mutant)


@lru_cache(maxsize=64)
def _with_mutant(protocol: str, name: str) -> ComposedKernel:
    mutant = mutant_named(protocol, name)
    return with_functions(build(protocol, ()), [(mutant.live, mutant.code())])


# -- reach -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProbedChoice(KernelChoice):
    """A kernel under test that notes which sites come by.

    functions: full names of those that are looked at.
    """

    functions: frozenset[str] = frozenset()

    def composed(self) -> ComposedKernel:
        return _probed(self.spec.protocol, self.functions)[0]

    def reached(self) -> dict[Site, None]:
        """The sites that came by; whoever looks may clear it."""
        return _probed(self.spec.protocol, self.functions)[1]


@lru_cache(maxsize=2)
def _probed(protocol: str, functions: frozenset[str]) -> tuple[ComposedKernel, dict[Site, None]]:
    reached: dict[Site, None] = {}
    changed = [(live, probed(live, reached)) for live in live_in(protocol) if live.name in functions]
    return with_functions(build(protocol, ()), changed), reached


def probed(live: Live, reached: dict[Site, None]) -> types.FunctionType:
    """A function that notes which of its sites come by."""
    source = source_of(live.function)
    wanted: dict[int, list[str]] = {}
    for mutant in mutants_in(live):
        for _, number, outcome in mutant.sites:
            wanted.setdefault(number, []).append(outcome)
    edit = Edit(source)
    # What is inside comes first: it is moved together with what is around it.
    for number, outcomes in sorted(wanted.items(), reverse=True):
        node = source.nodes[number]
        if isinstance(node, ast.stmt):
            edit.insert(node, statement(f"{PROBES}.reached[{live.name!r}, {number}, ''] = None"))
        else:
            probe(edit, node, number, outcomes)
    function = edit.function()
    function.__globals__[PROBES] = Probes(live.name, reached)
    return function


def probe(edit: Edit, node: ast.AST, number: int, outcomes: Sequence[str]) -> None:
    """Note how an expression comes out."""
    value = edit.of(node)
    others = [outcome for outcome in outcomes if outcome not in (TRUE, FALSE)]
    if others:
        name = type(value.ops[0]).__name__
        call = f"{PROBES}.compared({number}, {name!r}, {others!r})"
        value = with_arguments(call, value.left, value.comparators[0])
    if len(others) < len(outcomes):
        value = with_arguments(f"{PROBES}.came_out({number})", value)
    edit.replace(node, value)


def with_arguments(call: str, *arguments: ast.expr) -> ast.expr:
    """A call with more arguments, which are evaluated in its place."""
    tree = expression(call)
    assert isinstance(tree, ast.Call)
    tree.args += arguments
    return tree


COMPARISONS = {"Eq": operator.eq, "Gt": operator.gt, "GtE": operator.ge, "Lt": operator.lt, "LtE": operator.le}


@dataclass(frozen=True, slots=True)
class Probes:
    """What changed functions call to note what comes by. function: the full name of it."""

    function: str
    reached: dict[Site, None]

    def came_out(self, number: int, value: Any) -> Any:
        """A condition."""
        self.reached[self.function, number, TRUE if value else FALSE] = None
        return value

    def compared(self, number: int, name: str, others: Sequence[str], left: Any, right: Any) -> bool:
        """A comparison. others: operators that might say something else."""
        result = COMPARISONS[name](left, right)
        for other in others:
            if COMPARISONS[other](left, right) != result:
                self.reached[self.function, number, other] = None
        return bool(result)


PROBES = "__probes__"
"""Name of the probes in changed functions."""
