"""What a call of the model is for the agent of a real kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daxfuzz.conform.layout import ELSEWHERE, PAGE, Layout
from daxfuzz.program.case import Call

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE = 0x01, 0x02, 0x03
MAP_FIXED_NOREPLACE, MAP_SYNC = 0x100000, 0x80000
MADV_DONTNEED, MADV_HWPOISON = 4, 100
SIGUSR1, SIGKILL = 10, 9
FALLOC_KEEP_SIZE = 0x01
FALLOC = {
    "ALLOCATE": 0x00,
    "KEEP_SIZE": FALLOC_KEEP_SIZE,
    "PUNCH_HOLE": 0x02 | FALLOC_KEEP_SIZE,
    "COLLAPSE_RANGE": 0x08,
    "ZERO_RANGE": 0x10,
    "INSERT_RANGE": 0x20,
}


class NotExpressible(Exception):
    """A call that no user of a real kernel can make. One line that says why."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a call means beside its arguments.

    value: what it writes.
    registers: numbers of the task's registers.
    slots: numbers of all tasks.
    spaces: of each task's process, its number and its tasks as a set of bits.
    """

    layout: Layout
    value: int
    registers: dict[str, int]
    slots: dict[str, int]
    spaces: dict[str, tuple[int, int]]


def command(call: Call, context: Context) -> str:
    """The agent's words for a call. Raises NotExpressible."""
    translate = COMMANDS.get(call.name)
    if translate is None:
        raise NotExpressible(f"{call.name} is nothing that a program can ask a kernel for")
    return translate(call, context)


Translate = Callable[[Call, Context], str]


def _words(*words: object) -> str:
    return " ".join(str(word) for word in words)


def _file(call: Call, position: int = 0) -> str:
    return str(call.arguments[position])


def _number(call: Call, position: int) -> int:
    return int(call.arguments[position])


def _address(call: Call, context: Context, position: int = 0) -> int:
    return context.layout.address(_file(call, position), _number(call, position + 1))


def _mapping(call: Call, context: Context) -> tuple[int, int]:
    """Address and length of the mapping of a file."""
    return context.layout.base(_file(call)), context.layout.pages(_file(call)) * PAGE


def _mmap(call: Call, context: Context) -> str:
    flags = {"MAP_PRIVATE": MAP_PRIVATE, "MAP_SYNC": MAP_SHARED_VALIDATE | MAP_SYNC}.get(
        str(call.arguments[-1]), MAP_SHARED
    )
    return _words("mmap", *_mapping(call, context), flags | MAP_FIXED_NOREPLACE, context.layout.fd(_file(call)))


def _mremap(call: Call, context: Context) -> str:
    address, length = _mapping(call, context)
    return _words("mremap", address, length, address + ELSEWHERE)


def _madvise(call: Call, context: Context) -> str:
    file, advice, page, length = call.arguments
    start, size = context.layout.span(int(page), int(length))
    if advice == "MADV_HWPOISON":
        raise NotExpressible("a page that has failed stays so for the rest of a boot")
    return _words("madvise", context.layout.base(str(file)) + start, size, MADV_DONTNEED)


def _fallocate(call: Call, context: Context) -> str:
    file, mode, page, length = call.arguments
    return _words(
        "fallocate", context.layout.fd(str(file)), FALLOC[str(mode)], *context.layout.span(int(page), int(length))
    )


def _pwrite(call: Call, context: Context) -> str:
    offset = context.layout.page(_number(call, 1)) * PAGE
    return _words("pwrite", context.layout.fd(_file(call)), offset, _address(call, context, 2))


def _get(call: Call, context: Context) -> str:
    if "READ_ONLY" not in call.arguments:
        raise NotExpressible("a plain reference for writing is held by direct_read only")
    lengths = [argument for argument in call.arguments[2:] if isinstance(argument, int)]
    if context.layout.huge and any(length > 1 for length in lengths):
        raise NotExpressible("more than one page of a PMD at a time")
    return _words("get", context.registers[str(call.result)], _address(call, context), *(lengths or [1]))


def _pin(call: Call, context: Context) -> str:
    if "FOLL_LONGTERM" not in call.arguments:
        raise NotExpressible("no system call keeps a pin; direct_read does on newer kernels")
    lengths = [argument for argument in call.arguments[2:] if isinstance(argument, int)]
    return _words("longterm", _address(call, context), (lengths or [1])[0] * PAGE)


def _release(call: Call, context: Context) -> str:
    return _words("put", context.registers[_file(call)])


def _direct(call: Call, context: Context) -> str:
    if context.layout.huge and _number(call, 2) > 1:
        raise NotExpressible("more than one page of a PMD at a time")
    return _words("direct", _address(call, context), _number(call, 2), context.value)


def _signal(call: Call, context: Context) -> str:
    return _words("kill", context.slots[_file(call)], SIGKILL if "SIGKILL" in call.arguments else SIGUSR1)


def _with_path(name: str) -> Translate:
    def translate(call: Call, context: Context) -> str:
        return _words(name, context.layout.files.index(_file(call)), int("O_TRUNC" in call.arguments))

    return translate


COMMANDS: dict[str, Translate] = {
    "mmap": _mmap,
    "munmap": lambda call, context: _words("munmap", *_mapping(call, context)),
    "mremap": _mremap,
    "load": lambda call, context: _words("load", _address(call, context)),
    "store": lambda call, context: _words("store", _address(call, context), context.value),
    "madvise": _madvise,
    "truncate": lambda call, context: _words(
        "ftruncate", context.layout.fd(_file(call)), context.layout.page(_number(call, 1)) * PAGE
    ),
    "fallocate": _fallocate,
    "fsync": lambda call, context: _words("fsync", context.layout.fd(_file(call))),
    "write": lambda call, context: _words(
        "write", context.layout.fd(_file(call)), context.layout.page(_number(call, 1)) * PAGE, context.value
    ),
    "pwrite": _pwrite,
    "close": lambda call, context: _words("close", context.layout.fd(_file(call))),
    "unlink": _with_path("unlink"),
    "open": _with_path("open"),
    "freeze": lambda call, context: "freeze",
    "thaw": lambda call, context: "thaw",
    "drop_caches": lambda call, context: "drop",
    "signal": _signal,
    "fork": lambda call, context: _words("fork", *context.spaces[_file(call)]),
    "exit": lambda call, context: "exit",
    "get_user_pages": _get,
    "get_user_pages_fast": _get,
    "pin_user_pages": _pin,
    "pin_user_pages_fast": _pin,
    "put_page": _release,
    "release_pages": _release,
    "vmsplice": lambda call, context: _words("splice", _address(call, context)),
    "pipe_read": lambda call, context: "piperead",
    "direct_read": _direct,
    "bio_endio": lambda call, context: "endio",
    "inodegc": lambda call, context: "",
}
"""Operations that a real kernel can be asked for."""
