"""Arrays in answers: what arrives is what was sent, and hostile bytes get one clause each and are never unpickled."""

from __future__ import annotations

import base64
import io
import json
import pickle

import numpy as np
import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.tasks.answer_kinds import DictionaryAnswer
from scribe_suite.tasks.answer_schema import MAX_ANSWER_BYTES, MAX_WITH_ARRAYS, AnswerSchema
from scribe_suite.tasks.arrays import (
    AS_LISTS,
    MAX_ARRAY_BYTES,
    MAX_ARRAY_TEXT,
    SubmittedArray,
    as_json,
    as_npy,
    detach,
    read_npy,
    with_numbers,
)
from tests.tasks.schemas import CIRCUIT, COMMON, DICTIONARY, parse, refusal, refused

ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3)
MAGIC = b"\x93NUMPY\x01\x00"


def saved(array: object, **options: bool) -> bytes:
    """What NumPy itself writes."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def coded(data: bytes) -> dict[str, str]:
    return {"npy": base64.b64encode(data).decode()}


def with_header(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    return MAGIC + len(text).to_bytes(2, "little") + text + data


def header(descr: str = "'<f4'", shape: str = "(4, 3)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (0, 3), (2, 1, 3)])
def test_the_format_is_numpys_own_both_ways(dtype, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    assert as_npy(array) == saved(array)
    read = read_npy(saved(array))
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def test_columns_first_and_other_byte_orders_become_plain():
    assert np.array_equal(read_npy(saved(np.asfortranarray(ARRAY))), ARRAY)
    assert as_npy(np.asfortranarray(ARRAY)) == as_npy(ARRAY.astype(">f4")) == as_npy(ARRAY)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not in the .npy format"),
        (b"\x93NUMPY\x02\x00" + b"\x00" * 80, "not in the .npy format"),
        (MAGIC + b"\xff\xff{}", "not in the .npy format"),
        (saved(ARRAY)[:60], "not in the .npy format"),
        (pickle.dumps(ARRAY), "not in the .npy format"),
        (saved(np.array([None, {}]), allow_pickle=True), "nothing is unpickled"),
        (saved(np.arange(3)), "numbers of type <i8"),
        (saved(np.array([True])), "numbers of type |b1"),
        (saved(np.ones(2, dtype=complex)), "numbers of type <c16"),
        (saved(np.array(["text"])), "numbers of type <U4"),
        (saved(ARRAY.astype(">f4")), "numbers of type >f4"),
        (saved(np.zeros(2, dtype=[("a", "f4")])), "header that is not that of an array"),
        (with_header("__import__('os').system('true')\n"), "header that is not that of an array"),
        (with_header(header() + " " * 300), "header that is not that of an array"),
        (with_header(header(shape="(" * 120)), "header that is not that of an array"),
        (with_header(header(shape="(-1, 3)")), "header that is not that of an array"),
        (with_header(header(shape="(1000000000, 3)")), "header that is not that of an array"),
        (with_header(header(shape="(999999999, 999999999)")), "at most 4,000,000 are allowed"),
        (with_header(header(shape="(0, 999999999, 999999999, 999999999)")), "a shape that no array can have"),
        (with_header(header(), ARRAY.tobytes()[:-4]), "44 bytes of numbers, and its shape (4, 3) needs 48"),
        (with_header(header(), ARRAY.tobytes() + b"more"), "52 bytes of numbers"),
    ],
)
def test_other_bytes_are_refused_in_one_clause(data, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the message is checked
        read_npy(data)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").write_text, ("",))

    array = np.empty(1, dtype=object)
    array[0] = Trap()
    assert "nothing is unpickled" in refused(DICTIONARY, dictionary=coded(saved(array, allow_pickle=True)))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "must be a NumPy array"),
        (None, "must be a NumPy array"),
        ({"npy": 3}, "must be a NumPy array"),
        ({"npy": "AAAA", "more": 1}, "must be a NumPy array"),
        ({"npy_file": "arrays/x.npy", "dtype": "float32", "shape": [4, 3]}, "must be a NumPy array"),
        ({"npy": "not base64!"}, "not base64"),
        ({"npy": "\u00e4\u00e4\u00e4\u00e4"}, "not base64"),
        ({"npy": "A" * (MAX_ARRAY_TEXT + 4)}, "more than 4,000,000 bytes"),
        (coded(saved(np.array([[0.0, np.nan, np.inf]]))), "2 numbers that are not finite, the first at [0, 1]"),
        (coded(saved(np.ones(3))), "must have the shape (rows, 3), and has (3,)"),
        (coded(saved(np.float32(1))), "must have the shape (rows, 3), and has ()"),
        (coded(saved(np.ones((2, 4)))), "must have the shape (rows, 3), and has (2, 4)"),
        (coded(saved(np.ones((7, 3)))), "7 rows, and at most 6 are allowed"),
        ([[1.0, 2.0], [1.0]], "rows of one length"),
        ([[1.0, "2", 3.0]], "numbers in its rows and nothing else"),
        ([[1.0, True, 3.0]], "numbers in its rows and nothing else"),
        ([1.0, 2.0, 3.0], "a list of lists of numbers"),
        ([[10**400, 1, 1]], "too large for a float64"),
        ([[0.0]] * 500_001, "at most 4,000,000 are allowed"),
    ],
)
def test_an_answer_with_another_thing_in_the_place_of_its_array_is_refused(value, said):
    assert said in refused(DICTIONARY, dictionary=value)


def test_an_array_and_lists_are_the_same_answer():
    array = parse(DICTIONARY, dictionary=as_json(ARRAY.astype(np.float64)))
    lists = parse(DICTIONARY, dictionary=ARRAY.tolist())
    assert array == lists
    assert np.array_equal(array.dictionary.values, ARRAY)
    assert not array.dictionary.values.flags.writeable
    assert array.model_dump(mode="json", context=AS_LISTS)["dictionary"] == ARRAY.tolist()
    for nothing in ([], as_json(np.empty((0, 3)))):
        assert parse(DICTIONARY, dictionary=nothing).is_empty()


def test_only_a_schema_with_arrays_takes_as_many_bytes():
    assert (CIRCUIT.max_bytes, DICTIONARY.max_bytes) == (MAX_ANSWER_BYTES, MAX_WITH_ARRAYS)
    assert CIRCUIT.array_limits == {}
    assert DICTIONARY.array_limits == {"dictionary": MAX_ARRAY_BYTES}
    assert f"{MAX_WITH_ARRAYS:,}" in refusal(DICTIONARY, " " * (MAX_WITH_ARRAYS + 1))
    wide = AnswerSchema(DictionaryAnswer, {"width": 1000, "max_rows": 2000}, {})
    largest = as_json(np.ones((1000, 1000), dtype=np.float32))
    assert len(parse(wide, dictionary=largest).dictionary) == 1000
    assert "more than 4,000,000 bytes of numbers" in refused(
        wide, dictionary=as_json(np.ones((1001, 1000), dtype=np.float32))
    )


def test_a_record_names_the_file_of_an_array():
    raw = json.dumps({"dictionary": as_json(ARRAY), **COMMON})
    answer = DICTIONARY.parse(raw)
    text, files = detach(raw, DICTIONARY.array_fields)
    ((name, content),) = files.items()
    assert answer.array_files() == files
    assert json.loads(text) == answer.model_dump(mode="json", exclude_defaults=True)
    assert json.loads(text)["dictionary"] == {"npy_file": name, "dtype": "float32", "shape": [4, 3]}
    assert with_numbers(json.loads(text), files.__getitem__) == {**COMMON, "dictionary": ARRAY.tolist()}
    assert content == saved(ARRAY)
    assert detach("{}", ()) == ("{}", {})
    assert with_numbers(None, files.__getitem__) is None


def test_arrays_are_equal_if_their_numbers_are():
    one, same, other = (SubmittedArray.read(value) for value in (ARRAY.tolist(), ARRAY.tolist(), [[1.0]]))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_a_task_that_does_not_say_how_wide_its_rows_are_is_named():
    with pytest.raises(ConfigurationError, match="needs the fact 'width'"):
        AnswerSchema(DictionaryAnswer, {"max_rows": 3}, DICTIONARY.example).check()
