"""Arrays in answers: how they arrive from a kernel, what is refused, and how records name them.

A kernel sends an array as ``{"npy": ...}``: the base64 of NumPy's ``.npy`` format (numpy/lib/format.py, version 1.0).
The kernel belongs to the agent, so the bytes are parsed here and nowhere else: size before decoding, a header of
exactly the form that NumPy writes for plain numbers, no pickle, no evaluation of text, and as many bytes as the shape
needs.

A record has each different array once, as a file that is named after its checksum, and ``{"npy_file": ...}`` in its
place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler, SerializationInfo, ValidationInfo
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:  # lists of tasks need no array, and should not wait for NumPy
    import numpy as np

#: Most bytes that the numbers of one array may have.
MAX_ARRAY_BYTES = 4_000_000
#: Most characters of its base64 text, with its header.
MAX_ARRAY_TEXT = (MAX_ARRAY_BYTES + 256 + 2) // 3 * 4
#: The key of an array in submitted JSON, and in a record.
NPY, NPY_FILE = "npy", "npy_file"
#: The context in which answers are dumped with the numbers of their arrays, for comparing.
AS_LISTS: Mapping[str, str] = {"arrays": "lists"}
#: The folder of the arrays, beside the record.
ARRAYS = "arrays"

_DTYPES: Mapping[str, str] = {"<f2": "float16", "<f4": "float32", "<f8": "float64"}
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[A-Za-z?]\d{0,6})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,9}, ?)*(?:\d{1,9},?)?)\), \} *\n"
)
_LONGEST_HEADER = 256


@dataclass(frozen=True, eq=False)
class SubmittedArray:
    """An array of finite floating-point numbers, as a field of an answer.

    Attributes:
        values: The numbers, which can't be changed.
    """

    values: np.ndarray[Any, np.dtype[np.floating[Any]]]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubmittedArray) and self.npy == other.npy

    def __hash__(self) -> int:
        return hash(self.npy)

    @cached_property
    def npy(self) -> bytes:
        """The array in the ``.npy`` format, always the same bytes for the same array."""
        return as_npy(self.values)

    @property
    def file(self) -> str:
        """The name of its file in a record."""
        return _file_name(self.npy)

    def dumped(self, info: SerializationInfo) -> Any:
        """What stands in its place in a dumped answer: the name of its file, or lists with the context `AS_LISTS`."""
        return self.values.tolist() if info.context == AS_LISTS else self.recorded()

    def recorded(self) -> dict[str, Any]:
        """What stands in its place in a record."""
        return {NPY_FILE: self.file, "dtype": self.values.dtype.name, "shape": list(self.values.shape)}

    @classmethod
    def read(cls, value: object) -> SubmittedArray:
        """The array that a submission contains: ``{"npy": base64}``, or a list of lists of numbers.

        Raises:
            ValueError: One clause that says what to change.
        """
        if isinstance(value, SubmittedArray):
            return value
        if isinstance(value, dict) and value.keys() == {NPY} and isinstance(value[NPY], str):
            array = _from_text(value[NPY])
        elif isinstance(value, list):
            array = _from_lists(value)
        else:
            raise ValueError("must be a NumPy array, a tensor or a list of lists of numbers")
        import numpy as np

        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            place = ", ".join(map(str, wrong[0].tolist()))
            raise ValueError(
                f"has {len(wrong):,} numbers that are not finite, the first at [{place}]: replace or leave them out"
            )
        array.flags.writeable = False
        return cls(array)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object, _info: ValidationInfo) -> SubmittedArray:
            return cls.read(value)

        return core_schema.with_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(cls.dumped, info_arg=True)
        )


def as_npy(array: np.ndarray[Any, Any]) -> bytes:
    """An array of numbers in the ``.npy`` format, version 1.0, little-endian and in C order."""
    import numpy as np

    plain = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    header = f"{{'descr': '{plain.dtype.str}', 'fortran_order': False, 'shape': {plain.shape!r}, }}"
    length = -(-(len(_MAGIC) + 2 + len(header) + 1) // 64) * 64 - len(_MAGIC) - 2
    return _MAGIC + length.to_bytes(2, "little") + f"{header:<{length - 1}}\n".encode() + plain.tobytes()


def as_json(array: np.ndarray[Any, Any]) -> dict[str, str]:
    """An array as it stands in submitted JSON."""
    return {NPY: base64.b64encode(as_npy(array)).decode()}


def detach(raw: str, fields: Sequence[str]) -> tuple[str, dict[str, bytes]]:
    """Replace the arrays of a valid submission by the names of their files.

    Args:
        raw: JSON text that fits the schema.
        fields: The fields that may be arrays.

    Returns:
        JSON text, and file name -> content.
    """
    if not fields:
        return raw, {}
    content, files = json.loads(raw), {}
    for field in fields:
        array = SubmittedArray.read(content[field])
        files[array.file] = array.npy
        content[field] = array.recorded()
    return json.dumps(content), files


def with_numbers(answer: Any, read: Callable[[str], bytes]) -> Any:
    """A recorded answer with lists of numbers in the places of its arrays.

    Args:
        answer: As it was recorded.
        read: The content of a file by its recorded name.

    Raises:
        ValueError: When a file is not an array.
        OSError: When one can't be read.
    """
    if not isinstance(answer, dict):
        return answer
    return {
        name: read_npy(read(str(value[NPY_FILE]))).tolist() if isinstance(value, dict) and NPY_FILE in value else value
        for name, value in answer.items()
    }


def read_npy(data: bytes) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
    """The array in untrusted bytes of the ``.npy`` format.

    Raises:
        ValueError: One clause that says what is wrong.
    """
    import numpy as np

    start = len(_MAGIC) + 2
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start + length:
        raise ValueError("is not in the .npy format, version 1.0")
    found = _HEADER.fullmatch(data[start : start + length]) if length <= _LONGEST_HEADER else None
    if found is None:
        raise ValueError("has a .npy header that is not that of an array of plain numbers")
    dtype, fortran = found[1].decode(), found[2] == b"True"
    if dtype.endswith("O"):
        raise ValueError("has Python objects in it, and nothing is unpickled: convert it to float32")
    if dtype not in _DTYPES:
        raise ValueError(f"has numbers of type {dtype}: convert it to float16, float32 or float64")
    shape = tuple(int(part) for part in found[3].replace(b",", b" ").split())
    size, needed = len(data) - start - length, math.prod(shape) * int(dtype[2:])
    if needed > MAX_ARRAY_BYTES:
        raise ValueError(_too_large(needed))
    if size != needed:
        raise ValueError(f"has {size:,} bytes of numbers, and its shape {shape} needs {needed:,}")
    flat = np.frombuffer(data, dtype=np.dtype(dtype), offset=start + length).copy()
    try:
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError:  # too many axes, or too long ones of an array without numbers
        raise ValueError("has a shape that no array can have") from None


def _from_text(text: str) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
    if len(text) > MAX_ARRAY_TEXT:
        raise ValueError(f"has more than {MAX_ARRAY_BYTES:,} bytes of numbers: use float32, or fewer rows")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64 text of the .npy format") from None
    return read_npy(data)


def _from_lists(rows: list[Any]) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
    import numpy as np

    if not all(isinstance(row, list) for row in rows):
        raise ValueError("must be a NumPy array, a tensor or a list of lists of numbers")
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"must have rows of one length, not of {min(widths)} and {max(widths)} numbers")
    if not all(type(number) in (int, float) for row in rows for number in row):
        raise ValueError("must have numbers in its rows and nothing else")
    if (needed := 8 * len(rows) * max(widths, default=0)) > MAX_ARRAY_BYTES:
        raise ValueError(_too_large(needed))
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), max(widths, default=0))
    except OverflowError:
        raise ValueError("has a number that is too large for a float64") from None


def _too_large(count: int) -> str:
    return f"has {count:,} bytes of numbers, and at most {MAX_ARRAY_BYTES:,} are allowed: use float32, or fewer rows"


def _file_name(npy: bytes) -> str:
    return f"{ARRAYS}/{hashlib.sha256(npy).hexdigest()}.npy"
