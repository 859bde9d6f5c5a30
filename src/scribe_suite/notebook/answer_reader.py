"""Runs inside the kernel, as source text, to turn a variable into JSON; see `answer`. Standard library only.

It is executed in its own namespace and must not import anything that the user has not imported: numpy and torch are
looked up among the loaded modules.
"""

from __future__ import annotations

import base64
import dataclasses
import difflib
import enum
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

MAX_DEPTH = 100
#: Further types, by name, that become lists.
LISTS = frozenset({"deque", "dict_keys", "dict_values"})
#: The key of an array that is handed over as such; `scribe_suite.tasks.arrays` reads it.
NPY = "npy"


class UnreadableError(Exception):
    """The value can't be an answer; the message says which part is at fault and what to do."""


class Budget:
    """Counts what has been converted, so that a huge array is refused before it becomes Python objects.

    Args:
        limit: Bytes of JSON; every item needs at least two.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit // 2

    def take(self, count: int, path: str) -> None:
        """Use up some items.

        Raises:
            UnreadableError: When there are too many.
        """
        self.left -= count
        if self.left < 0:
            raise UnreadableError(f"{path} makes the answer larger than {self.limit:,} bytes of JSON; submit less")


def plain(value: Any, path: str, budget: Budget, depth: int = 0) -> Any:
    """A value as dicts with text keys, lists, text, numbers, booleans and None.

    Args:
        value: Any value.
        path: Its place, for messages.
        budget: What may still be converted.
        depth: The number of levels above it.

    Raises:
        UnreadableError: When JSON can't represent it, or it is too large or too deep.
    """
    if depth > MAX_DEPTH:
        raise UnreadableError(f"{path[:100]}... is nested more than {MAX_DEPTH} levels deep (does it contain itself?)")
    budget.take(1, path)
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        budget.take(len(value) // 2, path)
    if value is None or isinstance(value, bool | int | float | str):
        return scalar(value)
    array = from_array(value, path, budget)
    if array is not None:
        return array[0]
    value = fields(value)
    if hasattr(value, "columns"):
        raise UnreadableError(f"{path} is a {kind(value)}; convert it, for example with .to_dict('list')")
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        names = list(value.keys())
        return {key(name, path): plain(value[name], f"{path}[{name!r}]", budget, depth + 1) for name in names}
    if isinstance(value, set | frozenset):
        value = ordered(value)
    if isinstance(value, list | tuple | range) or type(value).__name__ in LISTS:
        return [plain(item, f"{path}[{index}]", budget, depth + 1) for index, item in enumerate(value)]
    raise UnreadableError(
        f"{path} is a {kind(value)}, which JSON can't hold; use dicts, lists, text, numbers or arrays of numbers"
    )


def scalar(value: Any) -> Any:
    """The builtin behind a subclass such as numpy.float64."""
    for builtin in (bool, int, float, str):
        if isinstance(value, builtin):
            return value if type(value) is builtin else builtin(value)
    return value


def fields(value: Any) -> Any:
    """The fields of a dataclass, pydantic model or named tuple as a dict; anything else is unchanged."""
    if isinstance(value, type):
        return value
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(type(value), "model_dump"):
        return value.model_dump()
    if hasattr(type(value), "_asdict"):
        return value._asdict()
    return value


def from_array(value: Any, path: str, budget: Budget) -> tuple[Any] | None:
    """A one-element tuple with the nested lists of an array or tensor, or None when it is neither."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        budget.take(value.numel(), path)
        if value.is_complex():
            raise UnreadableError(f"{path} is complex; submit real and imaginary parts")
        return (value.detach().cpu().tolist(),)
    if numpy is not None and isinstance(value, numpy.generic):
        value = numpy.asarray(value)
    if numpy is not None and isinstance(value, numpy.ndarray):
        budget.take(value.size, path)
        if value.dtype.kind == "O":
            return (plain(value.tolist(), path, budget),)
        if value.dtype.kind not in "biufU":
            raise UnreadableError(f"{path} is an array of {value.dtype}; use numbers, booleans or text")
        return (value.tolist(),)
    return None


def packed(value: Any, path: str, limit: int) -> dict[str, str] | None:
    """An array or tensor of numbers as base64 of the ``.npy`` format, version 1.0; None for anything else.

    Args:
        value: Any value.
        path: Its place, for messages.
        limit: Bytes that its numbers may have.

    Raises:
        UnreadableError: When it is too large, or can't be written without pickling.
    """
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            raise UnreadableError(f"{path} is a tensor of bfloat16, which NumPy does not have; submit {path}.float()")
        value = value.numpy()
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    if value.dtype.kind not in "biuf":
        raise UnreadableError(f"{path} is an array of {value.dtype}, and nothing is pickled; use numbers, as float32")
    if value.nbytes > limit:
        raise UnreadableError(
            f"{path} has {value.nbytes:,} bytes of numbers, and at most {limit:,} can be submitted as an array; use "
            "float32, or fewer rows"
        )
    plainly = numpy.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    header = f"{{'descr': '{plainly.dtype.str}', 'fortran_order': False, 'shape': {value.shape!r}, }}"
    length = -(-(10 + len(header) + 1) // 64) * 64 - 10
    start = b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + f"{header:<{length - 1}}\n".encode()
    return {NPY: base64.b64encode(start + plainly.tobytes()).decode()}


def document(value: Any, variable: str, limit: int, arrays: Mapping[str, int]) -> Any:
    """A value as JSON can hold it, where some entries of a dict may be arrays that stay arrays.

    Args:
        value: Any value.
        variable: Its name.
        limit: Bytes of JSON it may have.
        arrays: Entry -> bytes that its numbers may have.

    Raises:
        UnreadableError: As in `plain`.
    """
    value = fields(value)
    if not arrays or not (hasattr(value, "keys") and hasattr(value, "__getitem__")) or hasattr(value, "columns"):
        return plain(value, variable, Budget(limit))
    content = {name: value[name] for name in list(value.keys())}
    kept = {}
    for name, most in arrays.items():
        array = packed(content.get(name), f"{variable}[{name!r}]", most)
        if array is not None:
            content[name], kept[name] = None, array
    return {**plain(content, variable, Budget(limit)), **kept}


def key(value: Any, path: str) -> str:
    """A dict key as text, when that loses nothing."""
    name = value.value if isinstance(value, enum.Enum) else value
    if hasattr(name, "item") and not isinstance(name, str):
        name = name.item()
    if isinstance(name, str):
        return str(name)
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    raise UnreadableError(f"{path} has the key {value!r}, a {kind(value)}; keys must be text")


def ordered(values: Iterable[Any]) -> list[Any]:
    """A set as a list, sorted where that is possible."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def kind(value: Any) -> str:
    """Type of a value, for messages."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def find_and_dump(namespace: dict[str, Any], variable: str, limit: int, arrays: Mapping[str, int] | None = None) -> str:
    """``+`` and the JSON text of a variable, or ``-`` and why there is none."""
    if variable not in namespace:
        names = [name for name in namespace if not name.startswith("_")]
        close = difflib.get_close_matches(variable, names, 3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        return f"-there is no variable {variable!r} in this session; assign your answer to it first.{hint}"
    try:
        text = json.dumps(document(namespace[variable], variable, limit, arrays or {}))
    except UnreadableError as error:
        return f"-{error}"
    except RecursionError:
        return f"-{variable} is nested too deep"
    except MemoryError:
        return f"-{variable} does not fit into memory as JSON"
    if len(text) > limit:
        return f"-{variable} is {len(text):,} bytes of JSON; at most {limit:,} can be submitted"
    return "+" + text


def read_answer(namespace: dict[str, Any], variable: str, limit: int, arrays: Mapping[str, int] | None = None) -> str:
    """The result of `find_and_dump`, as base64.

    Args:
        namespace: The user's variables.
        variable: Name of one of them.
        limit: Bytes of JSON it may have.
        arrays: Entry that may be an array -> bytes that its numbers may have.
    """
    return base64.b64encode(find_and_dump(namespace, variable, limit, arrays).encode("utf-8", "replace")).decode()
