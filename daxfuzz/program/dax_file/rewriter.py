"""New values in an existing file, whose comments stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from daxfuzz.program.case import Case
from daxfuzz.program.dax_file.reader import loads_case
from daxfuzz.program.dax_file.writer import Entry, Section, dumps_case, section_text, sections_of
from daxfuzz.program.errors import InputError


def rewrite_case(text: str, case: Case) -> str:
    """`text`, the text of some case, changed to say `case`: comments and everything that needs no change stay.

    Raises InputError if `text` is not the text of a case. Where an edit in place is not possible (a file whose tables
    are written in some unusual way), the result is dumps_case(case).
    """
    old = loads_case(text)
    for edit in (_edit_strings, _edit_array):
        try:
            edited = _rewritten(text, old, case, edit)
            # The editor's idea of TOML is its own: what comes out is believed only once it has been read.
            if dumps_case(loads_case(edited)) == dumps_case(case):
                return edited
        except (TOMLKitError, InputError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue
    return dumps_case(case)


EditArray = Callable[[Array, Sequence[str], str], Any]


def _rewritten(text: str, old: Case, new: Case, edit: EditArray) -> str:
    document = tomlkit.parse(text)
    for before, after in zip(sections_of(old), sections_of(new), strict=True):
        if after.name not in document and after.name:
            _append_section(document, after)
        else:
            _rewrite_section(document[after.name] if after.name else document, before, after, edit)
    return tomlkit.dumps(document)


def _append_section(document: Any, section: Section) -> None:
    text = section_text(section)
    if text:
        document.append(section.name, tomlkit.parse("\n" + text)[section.name])


def _rewrite_section(table: Any, before: Section, after: Section, edit: EditArray) -> None:
    for key in [key for key in table if key in before.entries and key not in after.entries]:
        del table[key]
    for key, entry in after.entries.items():
        if key not in table:
            if entry.wanted:
                table[key] = _item(entry.text)
        elif entry.value != before.entries[key].value:
            _rewrite_entry(table, key, entry, edit)
    if after.name == "tasks":
        _reorder(table, list(after.entries))


def _reorder(table: Any, keys: Sequence[str]) -> None:
    if list(table) != keys:
        for key in keys:
            item = table[key]
            del table[key]
            table[key] = item


def _rewrite_entry(table: Any, key: str, entry: Entry, edit: EditArray) -> None:
    item = table[key]
    if isinstance(item, Array) and isinstance(entry.value, list):
        table[key] = edit(item, entry.value, entry.text)
    else:
        table[key] = _item(entry.text)


def _item(text: str) -> Any:
    return tomlkit.parse(f"x = {text}\n")["x"]


def _edit_array(array: Array, strings: Sequence[str], text: str) -> Any:
    """A new array in place of the old one."""
    return _item(text)


def _edit_strings(array: Array, strings: Sequence[str], text: str) -> Any:
    """The same array with single strings exchanged, so that comments beside the others stay."""
    matcher = SequenceMatcher(a=[str(item) for item in array], b=list(strings), autojunk=False)
    for tag, start, end, low, high in reversed(matcher.get_opcodes()):
        if tag == "equal":
            continue
        for index in reversed(range(start, end)):
            del array[index]
        for offset, string in enumerate(strings[low:high]):
            array.insert(start + offset, string)
    return array
