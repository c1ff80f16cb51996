"""A dictionary for libFuzzer: what each operation is in the byte form.

python3 -m daxfuzz.engines.corpus.dictionary > daxfuzz.dict
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from daxfuzz.program.bytes_form import encode
from daxfuzz.program.case import Argument, Call, Program, Setup
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope
from daxfuzz.program.signature import Kind, Signature
from daxfuzz.sim import SparseSchedule


def dictionary() -> Iterator[tuple[str, bytes]]:
    """Words with their names: each operation that needs no register, once with each of its flags."""
    for signature in SIGNATURES.values():
        for call in calls(signature):
            # Before the call all is at its default, and so 0.
            program = Program({"t0": (call,)}, Setup(mms={"mm0": ("t0",)}))
            yield str(call), encode(program, SparseSchedule()).lstrip(b"\0")


def calls(signature: Signature) -> Iterator[Call]:
    """Calls on the first page of the first file."""
    if any(parameter.kind is Kind.REGISTER for parameter in signature.parameters):
        return
    scope = Scope({"file0": 1}, ["t0"])
    result = scope.result(signature.name)
    flags = [each.choices if each.kind is Kind.FLAG else (OMITTED,) for each in signature.parameters]
    for chosen in product(*flags):
        arguments: list[Argument] = []
        for parameter, flag in zip(signature.parameters, chosen, strict=True):
            first = flag or scope.choices(parameter, arguments)[0]
            if first != OMITTED:
                arguments.append(first)
        yield Call(signature.name, tuple(arguments), result)


def line(name: str, word: bytes) -> str:
    """A word as libFuzzer reads it."""
    quoted = "".join(f"\\x{byte:02x}" for byte in word)
    return f'# {name}\n"{quoted}"'


def main() -> None:
    """Print the dictionary."""
    for name, word in dictionary():
        print(line(name, word))


if __name__ == "__main__":
    main()
