"""Skeletons of patches: a typed Python file that overrides one function of the model and changes nothing yet."""

from __future__ import annotations

import ast
import builtins
import difflib
import inspect
import sys
import textwrap
from collections.abc import Iterator

from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.protocols.catalogue import ModelFunction, model_functions
from daxfuzz.protocols.registry import UnknownName

_WIDTH = 120
_BODY = " " * 12

Imports = dict[str, set[str]]
"""Names by the module that they come from."""


def find_function(name: str) -> ModelFunction:
    """A function by subsystem and name, such as gup.try_grab_folio; the kernel's own names are understood.

    Raises UnknownName, with the functions that look most like it.
    """
    known = {f"{each.subsystem}.{each.name}": each for each in model_functions()}
    subsystem, dot, function = name.partition(".")
    for candidate in (name, f"{subsystem}.{function.removeprefix('_')}") if dot else ():
        if candidate in known:
            return known[candidate]
    near = [full for full in known if full.partition(".")[2] == (function or subsystem)]
    near = near or difflib.get_close_matches(name, known, 3) or [full for full in known if full.startswith(f"{name}.")]
    if not near:
        subsystems = dict.fromkeys(each.subsystem for each in known.values())
        raise UnknownName(
            f"unknown function {name!r}; write SUBSYSTEM.FUNCTION with one of {', '.join(subsystems)}: "
            "see daxfuzz list functions"
        )
    raise UnknownName(f"unknown function {name!r}; did you mean {' or '.join(near[:3])}?")


def skeleton(function: ModelFunction) -> str:
    """A Python file with a patch that overrides the function and goes on to what it overrides."""
    tree = tree_of(function)
    owner = function.patch.__name__ if function.patch is not None else function.hunk.__name__
    parent = f"{owner}.{function.subsystem}" if function.patch is not None else owner
    imports: Imports = {function.hunk.__module__: {owner}, "daxfuzz.protocols.patch": {"Patch"}}
    for name in names_in_signature(tree):
        if module := origin(name, function.code.__module__):
            imports.setdefault(module, set()).add(name)
    title = f"{function.subsystem}: Change {function.name}: say how, and why."
    lines = [
        f'"""{title}"""',
        "",
        "from __future__ import annotations",
        "",
        *import_lines(imports),
        "",
        "",
        f"class {class_name(function.name)}(Patch):",
        f'    """{title}"""',
        "",
        f"    class {function.subsystem}({parent}):",
        *signature_lines(tree),
        *docstring_lines(function, tree),
        f"{_BODY}{call_of_super(tree)}",
    ]
    return "\n".join(lines) + "\n"


def class_name(function: str) -> str:
    """PteUnchanged for pte_unchanged; ChangeMremap for mremap, since Mremap is its subsystem."""
    name = "".join(part[:1].upper() + part[1:] for part in function.split("_"))
    return f"Change{name}" if any(name == cls.__name__ for cls in SUBSYSTEMS.values()) else name


def tree_of(function: ModelFunction) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The parsed definition."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function.code))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return node


def names_in_signature(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Names that the annotations and defaults use."""
    parts: list[ast.AST] = [tree.args]
    if tree.returns is not None:
        parts.append(tree.returns)
    for part in parts:
        for node in ast.walk(part):
            if isinstance(node, ast.Name):
                yield node.id


def origin(name: str, module: str) -> str:
    """The module from which a name in this module can be imported; empty for what is built in."""
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
            return node.module or ""
    return "" if hasattr(builtins, name) and name not in vars(sys.modules[module]) else module


def import_lines(imports: Imports) -> Iterator[str]:
    """Imports as ruff sorts them: the standard library, a blank line, daxfuzz."""
    ours = {module: names for module, names in imports.items() if module.split(".")[0] == "daxfuzz"}
    others = {module: names for module, names in imports.items() if module not in ours}
    for block in (others, ours):
        for module in sorted(block):
            yield f"from {module} import {', '.join(sorted(block[module], key=import_order))}"
        if block is others and others:
            yield ""


def import_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def signature_lines(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The definition in a class in a class, on one line if there is room."""
    head = f"        {'async ' if isinstance(tree, ast.AsyncFunctionDef) else ''}def {tree.name}("
    arguments = ast.unparse(tree.args)
    tail = f"){'' if tree.returns is None else f' -> {ast.unparse(tree.returns)}'}:"
    if len(head + arguments + tail) <= _WIDTH:
        return [head + arguments + tail]
    return [head, f"{_BODY}{arguments}", f"        {tail}"]


def docstring_lines(function: ModelFunction, tree: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """What the function does and the text of what it overrides."""
    where = ", ".join(part for part in (function.file, function.version) if part)
    told = " of the base" if function.patch is None else f" that {function.patch.slug()} adds"
    quoted = without_docstring(function, tree)
    raw = "r" if "\\" in "".join(quoted) + (ast.get_docstring(tree) or "") else ""
    quotes = '"""'
    text = (ast.get_docstring(tree) or "").replace(quotes, "'''")
    yield f"{_BODY}{raw}{quotes}Say what is different here. It overrides this function{told}{where and f' ({where})'}:"
    yield ""
    for line in quoted:
        yield f"{_BODY}    {line}".rstrip().replace(quotes, "'''")
    if text:
        yield ""
        yield f"{_BODY}Of which the model says:"
        yield ""
        yield from (f"{_BODY}    {line}".rstrip() for line in text.split("\n"))
    yield f"{_BODY}{quotes}"


def without_docstring(function: ModelFunction, tree: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The source of a function less its docstring, which is quoted apart."""
    lines = textwrap.dedent(inspect.getsource(function.code)).rstrip("\n").split("\n")
    if ast.get_docstring(tree) is not None:
        first = tree.body[0]
        del lines[first.lineno - 1 : first.end_lineno]
    return lines


def call_of_super(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The statement that does what the overridden function does."""
    arguments = tree.args
    given = [each.arg for each in (*arguments.posonlyargs, *arguments.args)][1:]
    if arguments.vararg is not None:
        given.append(f"*{arguments.vararg.arg}")
    given += [f"{each.arg}={each.arg}" for each in arguments.kwonlyargs]
    if arguments.kwarg is not None:
        given.append(f"**{arguments.kwarg.arg}")
    wait = "await " if isinstance(tree, ast.AsyncFunctionDef) else ""
    nothing = tree.returns is not None and ast.unparse(tree.returns) == "None"
    return f"{'' if nothing else 'return '}{wait}super().{tree.name}({', '.join(given)})"
