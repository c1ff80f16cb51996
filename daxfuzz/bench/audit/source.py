"""The source of one function of the model as a tree, and copies of it that are changed."""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from daxfuzz.bench.audit import variants
from daxfuzz.bench.audit.roles import COUNTED, HOLDS, SLEEPS, VALUES, awaits, called

VARIANTS = "__variants__"
"""Name of daxfuzz.bench.audit.variants in changed functions."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """The tree of a function. Its lines are those of the file."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function
        self.file = function.__code__.co_filename
        lines, first = inspect.getsourcelines(function)
        module = ast.parse(textwrap.dedent("".join(lines)))
        ast.increment_lineno(module, first - 1)
        (tree,) = module.body
        assert isinstance(tree, Function)
        self.tree: Function = tree
        self.text = {first + number: line.strip() for number, line in enumerate(lines)}
        self.parents: dict[ast.AST, tuple[ast.AST, str]] = {}
        self.statements: list[ast.stmt] = []
        self.blocks: list[list[ast.stmt]] = []
        self.nodes = list(ast.walk(tree))
        self.numbers = {node: number for number, node in enumerate(self.nodes)}
        for node in self.nodes:
            for name, value in ast.iter_fields(node):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.parents[child] = node, name
                if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                    self.blocks.append(value)
                    self.statements += value
        self.tainted = self._tainted()

    def statement_of(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that a node belongs to."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node][0]
        return node

    def number_of(self, node: ast.AST) -> int:
        """Number of a node of the tree."""
        return self.numbers[node]

    def block_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """The block that a statement stands in."""
        parent, name = self.parents[statement]
        block: list[ast.stmt] = getattr(parent, name)
        return block

    def depends_on_state(self, node: ast.AST) -> bool:
        """Whether a value comes from shared state."""
        return any(True for _ in awaits(node)) or any(
            isinstance(each, ast.Name) and each.id in self.tainted for each in ast.walk(node)
        )

    def looks_again(self, node: ast.AST) -> bool:
        """Whether a value was read from shared state after the function has taken something that it relies on: a lock,
        a reference, or a place in a queue; or comes from the very attempt to take it, or from that to drop it."""
        if any(name in HOLDS | COUNTED for name in awaits(node)):
            return True
        reads = [each for each in ast.walk(node) if isinstance(each, ast.Await)]
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} & self.tainted
        for other in ast.walk(self.tree):
            for target, value in _assigned(other):
                if any(isinstance(each, ast.Name) and each.id in used for each in ast.walk(target)):
                    reads += [each for each in ast.walk(value) if isinstance(each, ast.Await)]
        return any(self._after_hold(read) for read in reads)

    def _after_hold(self, read: ast.AST) -> bool:
        """Whether the function has taken something before it reads here, maybe in an earlier turn of a loop."""
        before: ast.AST | None = None
        node = read
        while node is not self.tree:
            node = self.parents[node][0]
            if isinstance(node, ast.While | ast.For):
                before = node
        for each in ast.walk(self.tree):
            if called(each) in HOLDS | SLEEPS and each is not read:
                assert isinstance(each, ast.Await)
                assert isinstance(read, ast.Await)
                if (each.lineno, each.col_offset) < (read.lineno, read.col_offset):
                    return True
                if before is not None and any(part is each for part in ast.walk(before)):
                    return True
        return False

    def returns_bool(self) -> bool:
        """Whether the function answers a question, maybe together with something else."""
        return "bool" in self.returns

    @property
    def returns(self) -> str:
        """The type of what the function returns."""
        return "" if self.tree.returns is None else ast.unparse(self.tree.returns)

    def _tainted(self) -> frozenset[str]:
        """Names of local variables with values read from shared state, and what a plain predicate is asked about. What
        other functions answer, such as errors, does not count."""
        found: set[str] = set()
        if isinstance(self.tree, ast.FunctionDef) and self.returns_bool():
            found.update(each.arg for each in self.tree.args.args[1:])
        while True:
            before = len(found)
            for node in ast.walk(self.tree):
                for target, value in _assigned(node):
                    if any(name in VALUES for name in awaits(value)) or (
                        not any(True for _ in awaits(value))
                        and any(isinstance(each, ast.Name) and each.id in found for each in ast.walk(value))
                    ):
                        found.update(each.id for each in ast.walk(target) if isinstance(each, ast.Name))
            if len(found) == before:
                return frozenset(found)


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield target, value
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
            | ast.For(target=target, iter=value)
            | ast.AugAssign(target=target, value=value)
        ):
            yield target, value


class Edit:
    """A copy of a function's tree, in which nodes of the original are replaced."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._copies: dict[int, Any] = {}
        self.tree = copy.deepcopy(source.tree, self._copies)

    def of(self, node: Any) -> Any:
        """The copy of a node."""
        return self._copies[id(node)]

    def replace(self, node: ast.AST, *new: ast.AST) -> None:
        """Put something in place of a node: several statements, or one expression."""
        parent, name = self.source.parents[node]
        value = getattr(self.of(parent), name)
        if isinstance(value, list):
            at = self._place(value, node)
            value[at : at + 1] = new
        else:
            setattr(self.of(parent), name, new[0])

    def remove(self, statement: ast.stmt) -> None:
        """Take a statement out."""
        self.replace(statement, ast.copy_location(ast.Pass(), statement))

    def insert(self, statement: ast.stmt, *new: ast.stmt, after: bool = False) -> None:
        """Put statements next to one."""
        block = self._block(statement)
        at = self._place(block, statement) + after
        block[at:at] = [ast.copy_location(each, statement) for each in new]

    def function(self) -> types.FunctionType:
        """The changed function, in place of the original one."""
        original = self.source.function
        ast.fix_missing_locations(self.tree)
        code = _compiled(self.tree, original)
        cells = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
        names = original.__globals__ | {VARIANTS: variants}
        changed = types.FunctionType(
            code, names, original.__name__, original.__defaults__, tuple(cells[name] for name in code.co_freevars)
        )
        changed.__kwdefaults__ = original.__kwdefaults__
        changed.__annotations__ = original.__annotations__
        changed.__doc__ = original.__doc__
        changed.__qualname__ = original.__qualname__
        changed.__module__ = original.__module__
        return changed

    def _block(self, statement: ast.stmt) -> list[ast.stmt]:
        parent, name = self.source.parents[statement]
        block: list[ast.stmt] = getattr(self.of(parent), name)
        return block

    def _place(self, block: list[Any], node: ast.AST) -> int:
        own = self.of(node)
        return next(i for i, each in enumerate(block) if each is own)


def _compiled(tree: Function, original: types.FunctionType) -> types.CodeType:
    """The code of a function that stands in a class, with the cells of the original one."""
    outer = ast.parse("def outer(): pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.args.args = [ast.arg(name) for name in original.__code__.co_freevars]
    tree.decorator_list = []
    outer.body = [tree]
    module = ast.fix_missing_locations(ast.Module([outer], []))
    flags = __future__.annotations.compiler_flag
    code = compile(module, original.__code__.co_filename, "exec", flags, dont_inherit=True)
    inner = _code_in(_code_in(code, "outer"), original.__name__)
    return inner.replace(co_qualname=original.__code__.co_qualname)


def _code_in(code: types.CodeType, name: str) -> types.CodeType:
    return next(each for each in code.co_consts if isinstance(each, types.CodeType) and each.co_name == name)


def expression(text: str) -> ast.expr:
    """An expression from its source."""
    return ast.parse(text, mode="eval").body


def statement(text: str) -> ast.stmt:
    """A statement from its source."""
    return ast.parse(text).body[0]
