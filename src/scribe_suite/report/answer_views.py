"""The submitted answer, next to the key where that may be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scribe_suite.tasks.arrays import NPY, NPY_FILE
from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

ANSWER = "answer.json"
#: Fields that every answer has; the key has none of them.
NO_CONTENT = ("confidence", "nothing_found", "summary", "claims")

MAX_BYTES = 100_000_000
MAX_ROWS = 1_000
MAX_TEXT = 50_000
_LONG_LIST = 6
#: Lists of names whose order matters.
_IN_ORDER = ("ranking",)
_IN_SET = "yes"


@dataclass(frozen=True)
class ItemRow:
    """One item of a set or mapping: the entries of the answer and the key, empty where there is none."""

    item: str
    answer: str
    key: str

    @property
    def agrees(self) -> bool:
        """Whether both agree."""
        return self.answer == self.key


@dataclass(frozen=True)
class FieldView:
    """One field of an answer: as rows where it is a set or mapping, else as text.

    Attributes:
        name: The field's name.
        rows: For sets and mappings.
        answer: Text of the answer's value where there are no rows.
        key: Text of the key's value; empty when it is not shown.
    """

    name: str
    rows: tuple[ItemRow, ...] = ()
    answer: str = ""
    key: str = ""

    @property
    def is_set(self) -> bool:
        """Whether the answer's value is a set of names."""
        return bool(self.rows) and all(row.answer == _IN_SET for row in self.rows)


@dataclass(frozen=True)
class AnswerView:
    """An answer on a page.

    Attributes:
        summary: The agent's summary.
        fields: Its content.
        note: A note to the reader, or empty.
    """

    summary: str = ""
    fields: tuple[FieldView, ...] = ()
    note: str = ""


def read_answer(outputs: UntrustedFolder) -> dict[str, Any] | None:
    """The scored answer, or None when there is none that can be read."""
    try:
        answer = json.loads(outputs.read(ANSWER, MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def answer_view(answer: Mapping[str, Any], key: Mapping[str, Any] | None) -> AnswerView:
    """An answer for a page.

    Args:
        answer: As submitted.
        key: The key, or None where it is not shown.
    """
    names = [name for name in {**answer, **(key or {})} if name not in NO_CONTENT]
    return AnswerView(
        summary=shortened(str(answer.get("summary", "")), MAX_TEXT),
        fields=tuple(_field(name, answer.get(name), (key or {}).get(name)) for name in names),
    )


def _field(name: str, answer: object, key: object) -> FieldView:
    said, right = (None, None) if name in _IN_ORDER else (_items(answer), _items(key))
    if said is not None and (right is not None or key is None):
        right = right or {}
        items = sorted({**said, **right}, key=_natural)[:MAX_ROWS]
        rows = tuple(ItemRow(item, said.get(item, ""), right.get(item, "")) for item in items)
        return FieldView(shortened(name, 60), rows)
    return FieldView(shortened(name, 60), (), _text(answer), "" if key is None else _text(key))


def _items(value: object) -> dict[str, str] | None:
    """A list of names as name -> `_IN_SET`, a mapping as name -> value; None for anything else."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {shortened(item, 200): _IN_SET for item in value}
    if isinstance(value, dict) and not _is_array(value):
        return {
            shortened(str(item), 200): "none" if said is None else shortened(_text(said), 200)
            for item, said in value.items()
        }
    return None


def _is_array(value: Mapping[str, Any]) -> bool:
    """Whether it stands for an array, in a record or in a key."""
    return NPY_FILE in value or value.keys() == {NPY}


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts ``a2`` before ``a10``."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in f"{text}\0":
        if character.isdecimal() and character.isascii():
            digits += character
            continue
        if digits:
            parts.append((int(digits[:18]), ""))
            digits = ""
        parts.append((-1, character))
    return parts


def _text(value: object) -> str:
    if isinstance(value, str):
        return shortened(value, MAX_TEXT)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and _is_array(value):
        shape = " x ".join(map(str, value["shape"])) if isinstance(value.get("shape"), list) else "numbers"
        return shortened(f"an array, {shape} ({value.get('dtype', NPY)}): {value.get(NPY_FILE, '')}", MAX_TEXT)
    if isinstance(value, list) and len(value) > _LONG_LIST:
        return shortened(f"{len(value)} values: {', '.join(_text(item) for item in value)}", MAX_TEXT)
    return shortened(json.dumps(value, ensure_ascii=False), MAX_TEXT)
