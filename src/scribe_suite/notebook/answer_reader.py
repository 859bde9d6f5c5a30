"""Runs inside the kernel, as source text, to turn a variable into JSON; see `answer`. Standard library only.

It runs in a namespace of its own, which holds ``namespace`` (the user's), ``variable`` and ``limit`` (bytes), and leaves its
finding in ``result``: ``+`` and the JSON text, or ``-`` and a message, as base64.
"""

import base64
import dataclasses
import difflib
import enum
import json
import sys

MAX_DEPTH = 100


class Unreadable(Exception):
    """The value can't be an answer; the message says which part and what to do."""


class Budget:
    """Counts what has been converted, so that a huge array is refused before it becomes Python objects."""

    def __init__(self, items):
        self.left = items

    def take(self, count, path):
        """Use up some; every item needs at least two bytes of JSON."""
        self.left -= count
        if self.left < 0:
            raise Unreadable(f"{path} makes the answer larger than {limit:,} bytes of JSON; submit less")  # noqa: F821


def plain(value, path, budget, depth=0):
    """Value as dicts with text keys, lists, text, numbers, booleans and None."""
    if depth > MAX_DEPTH:
        raise Unreadable(f"{path[:200]}... is nested more than {MAX_DEPTH} levels deep (does it contain itself?)")
    budget.take(1, path)
    if value is None or isinstance(value, (bool, int, float, str)):
        return scalar(value)
    if isinstance(value, enum.Enum):
        return plain(value.value, path, budget, depth + 1)
    array = from_array(value, path, budget)
    if array is not None:
        return array[0]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(type(value), "model_dump"):
        value = value.model_dump()
    elif hasattr(type(value), "_asdict"):
        value = value._asdict()
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        if hasattr(value, "columns"):
            raise Unreadable(f"{path} is a {kind(value)}; convert it, for example with .to_dict('list')")
        return {key(k, path): plain(value[k], f"{path}[{k!r}]", budget, depth + 1) for k in value.keys()}  # noqa: SIM118
    if isinstance(value, (set, frozenset)):
        value = ordered(value)
    if isinstance(value, (list, tuple, range)) or type(value).__name__ in LISTS:
        return [plain(item, f"{path}[{index}]", budget, depth + 1) for index, item in enumerate(value)]
    raise Unreadable(
        f"{path} is a {kind(value)}, which JSON can't hold; use dicts, lists, text, numbers or arrays of numbers"
    )


LISTS = {"deque", "dict_keys", "dict_values", "ListConfig"}


def scalar(value):
    """The builtin behind a subclass such as numpy.str_ or numpy.float64."""
    for builtin in (bool, int, float, str):
        if isinstance(value, builtin):
            return builtin(value) if type(value) is not builtin else value
    return value


def from_array(value, path, budget):
    """A one-element tuple with the nested lists of an array or tensor, or None when it is neither."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        budget.take(value.numel(), path)
        if value.is_complex():
            raise Unreadable(f"{path} is complex; submit real and imaginary parts")
        return (value.detach().cpu().tolist(),)
    if numpy is not None and isinstance(value, numpy.generic):
        value = numpy.asarray(value)
    if numpy is not None and isinstance(value, numpy.ndarray):
        budget.take(value.size, path)
        if value.dtype.kind == "O":
            return (plain(value.tolist(), path, budget),)
        if value.dtype.kind not in "biufU":
            raise Unreadable(f"{path} is an array of {value.dtype}; use numbers, booleans or text")
        return (value.tolist(),)
    return None


def key(value, path):
    """A dict key as text, when that loses nothing."""
    value = scalar(value.value if isinstance(value, enum.Enum) else value)
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(f"{path} has the key {value!r}, a {kind(value)}; keys must be text")


def ordered(values):
    """A set as a list, sorted where that is possible."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def kind(value):
    """Type of a value as a reader would write it."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def read():
    """The marked text that `result` carries."""
    if variable not in namespace:  # noqa: F821
        names = [name for name in namespace if not name.startswith("_")]  # noqa: F821
        close = difflib.get_close_matches(variable, names, 3)  # noqa: F821
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        return f"-there is no variable {variable!r} in this session; assign your answer to it first.{hint}"  # noqa: F821
    try:
        value = plain(namespace[variable], variable, Budget(limit // 2))  # noqa: F821
        text = json.dumps(value)
    except Unreadable as error:
        return f"-{error}"
    except RecursionError:
        return f"-{variable} is nested too deep"  # noqa: F821
    except MemoryError:
        return f"-{variable} does not fit into memory as JSON"  # noqa: F821
    if len(text) > limit:  # noqa: F821
        return f"-{variable} is {len(text):,} bytes of JSON; at most {limit:,} can be submitted"  # noqa: F821
    return "+" + text


result = base64.b64encode(read().encode("utf-8", "replace")).decode()
