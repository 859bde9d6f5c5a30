from __future__ import annotations

import base64
import collections
import dataclasses
import enum
import io
import json
import math
from typing import Any, NamedTuple

import numpy
import pytest
from pydantic import BaseModel

from scribe_suite.notebook.answer_reader import find_and_dump, read_answer

LIMIT = 1000


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Finding:
    name: str
    scores: numpy.ndarray


class Model(BaseModel):
    heads: list[str]


def dump(value: Any) -> Any:
    text = find_and_dump({"answer": value}, "answer", LIMIT)
    assert text[0] == "+", text
    return json.loads(text[1:])


def refuse(value: Any) -> str:
    text = find_and_dump({"answer": value}, "answer", LIMIT)
    assert text[0] == "-", text
    return text[1:]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, "x", None, True]}, {"a": [1, 2.5, "x", None, True]}),
        (numpy.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (numpy.float32(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.array("text"), "text"),
        (numpy.array([None, {"a": numpy.int8(1)}], dtype=object), [None, {"a": 1}]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ((1, (2, 3)), [1, [2, 3]]),
        (range(3), [0, 1, 2]),
        (collections.deque([1]), [1]),
        ({1: "a"}.keys(), [1]),
        (
            {1: "int key", numpy.int64(2): "numpy key", Colour.RED: "enum key"},
            {"1": "int key", "2": "numpy key", "red": "enum key"},
        ),
        (Colour.RED, "red"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Finding("a0.h1", numpy.ones(2)), {"name": "a0.h1", "scores": [1.0, 1.0]}),
        (Model(heads=["a0.h1"]), {"heads": ["a0.h1"]}),
        (collections.OrderedDict(b=1), {"b": 1}),
    ],
)
def test_what_python_people_have_in_variables_becomes_json(value, expected):
    assert dump(value) == expected


def test_nan_and_infinity_come_through_as_they_are():
    value = dump({"a": float("nan"), "b": numpy.array([numpy.inf, 1.0])})
    assert math.isnan(value["a"])
    assert value["b"] == [math.inf, 1.0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, object()]}, "answer['a'][1] is a object"),
        ({"a": b"bytes"}, "answer['a'] is a bytes"),
        ({(0, 1): "tuple key"}, "answer has the key (0, 1), a tuple"),
        ({True: 1}, "has the key True, a bool"),
        (lambda: 1, "answer is a function"),
        (1 + 2j, "answer is a complex"),
        (numpy.array([1j]), "array of complex128"),
        (numpy.array(["2020-01-01"], dtype="datetime64[D]"), "array of datetime64"),
        ("x" * 2000, "larger than 1,000 bytes"),
        (numpy.zeros(501), "larger than 1,000 bytes"),
        (["é" * 100] * 2, "bytes of JSON; at most 1,000"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_place(value, said):
    assert said in refuse(value)


def test_a_value_that_contains_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    assert "contain itself" in refuse(loop)


def test_a_missing_variable_is_named_with_what_is_close():
    said = find_and_dump({"answers": 1, "other": 2}, "answer", LIMIT)
    assert said.startswith("-there is no variable 'answer'")
    assert "Did you mean answers?" in said


def test_a_huge_array_is_refused_before_it_becomes_a_list():
    class Huge(numpy.ndarray):
        def tolist(self) -> list[Any]:
            raise AssertionError("converted")

    huge = numpy.zeros(10_000).view(Huge)
    assert "larger than" in refuse({"a": huge})


def test_the_wire_form_is_base64_of_the_marked_text():
    assert base64.b64decode(read_answer({"a": "é"}, "a", LIMIT)) == b'+"\\u00e9"'


ARRAYS = {"rows": 64}


def dump_with_arrays(value: Any) -> Any:
    text = find_and_dump({"answer": value}, "answer", LIMIT, ARRAYS)
    return json.loads(text[1:]) if text[0] == "+" else text


@pytest.mark.parametrize(
    "value",
    [numpy.arange(6, dtype=numpy.float32).reshape(2, 3), numpy.arange(6, dtype=">f8").reshape(3, 2).T, numpy.ones(3)],
)
def test_an_entry_that_may_be_an_array_is_handed_over_in_numpys_format(value):
    file = io.BytesIO()
    numpy.save(file, numpy.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"))))
    said = dump_with_arrays({"rows": value, "other": numpy.ones(2)})
    assert said == {"rows": {"npy": base64.b64encode(file.getvalue()).decode()}, "other": [1.0, 1.0]}


def test_a_tensor_may_be_handed_over_as_an_array():
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, 3, requires_grad=True)
    assert dump_with_arrays({"rows": tensor}) == dump_with_arrays({"rows": numpy.ones((2, 3), dtype=numpy.float32)})
    assert "submit answer['rows'].float()" in dump_with_arrays({"rows": tensor.bfloat16()})


def test_only_arrays_of_named_entries_stay_arrays():
    for value in ({"rows": [[1.0]], "other": 1}, {"rows": None}, [1], {"rows": {"npy": "AAAA"}}):
        assert dump_with_arrays(value) == value
    assert dump_with_arrays(Finding("a0.h1", numpy.ones(2))) == {"name": "a0.h1", "scores": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (numpy.ones(9), "has 72 bytes of numbers, and at most 64 can be submitted as an array"),
        (numpy.array([None, {}]), "is an array of object, and nothing is pickled"),
        (numpy.array(["text"]), "is an array of <U4, and nothing is pickled"),
        (numpy.ones(2, dtype=complex), "is an array of complex128"),
    ],
)
def test_an_array_that_can_not_be_handed_over_is_named(value, said):
    assert said in dump_with_arrays({"rows": value})
    assert dump_with_arrays({"rows": value})[0] == "-"
