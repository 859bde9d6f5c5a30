"""Every text that is no answer gets one sentence that says what to submit."""

from __future__ import annotations

import json

import pytest
from pydantic import field_validator

from scribe_suite.errors import ConfigurationError
from scribe_suite.tasks import Answer, AnswerSchema, ComponentAnswer
from scribe_suite.tasks.answer_schema import MAX_ANSWER_BYTES
from tests.tasks.schemas import (
    BEHAVIOUR,
    CIRCUIT,
    COMMON,
    DIRECTION,
    LETTERS,
    NEURONS,
    PROBE,
    RANKING,
    ROLES,
    TEXT_PROBE,
    refusal,
)


class TestText:
    def test_text_and_bytes_are_read_alike(self):
        text = json.dumps(dict(CIRCUIT.example))
        assert CIRCUIT.parse(text) == CIRCUIT.parse(text.encode())

    @pytest.mark.parametrize(
        "raw",
        ["", "{", "answer", "{'a': 1}", b"\xff\xfe\x00", "\ud800", "[" * 100_000, "{} {}"],
        ids=["empty", "unclosed", "word", "python dict", "not utf-8", "surrogate", "deep", "two objects"],
    )
    def test_what_is_not_json_is_named_and_the_way_out_said(self, raw):
        message = refusal(CIRCUIT, raw)
        assert message.startswith("The answer is not JSON (")
        assert "submit a JSON object" in message

    @pytest.mark.parametrize(("raw", "kind"), [("[1]", "list"), ("3", "int"), ("null", "NoneType"), ('"x"', "str")])
    def test_json_that_is_no_object_is_answered_with_an_example(self, raw, kind):
        message = refusal(CIRCUIT, raw)
        assert f"is a JSON {kind}, not an object" in message
        assert "a0.h0" in message

    @pytest.mark.parametrize("size", [MAX_ANSWER_BYTES + 1, 50_000_000])
    def test_a_huge_answer_is_refused_unread_with_its_size(self, size):
        message = refusal(PROBE, b"[" * size)
        assert f"{size:,} bytes" in message
        assert f"{MAX_ANSWER_BYTES:,}" in message

    def test_an_answer_of_exactly_the_largest_size_is_read(self):
        text = json.dumps(dict(CIRCUIT.example))
        assert CIRCUIT.parse(text + " " * (MAX_ANSWER_BYTES - len(text))).components == ["a0.h0"]

    def test_size_is_counted_in_bytes_not_characters(self):
        assert "bytes" in refusal(CIRCUIT, "\u00e9" * (MAX_ANSWER_BYTES // 2 + 1))

    def test_an_absurdly_long_integer_is_refused(self):
        assert "not JSON" in refusal(PROBE, '{"bias": ' + "9" * 10_000 + "}")


class Layers(Answer):
    """A kind of somebody else's that forgot to say what it needs."""

    content_field = "layers"
    layers: list[int]

    @field_validator("layers")
    @classmethod
    def _layers_exist(cls, value, info):
        return [layer for layer in value if layer < info.context["n_layers"]]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            AnswerSchema(ComponentAnswer, {}, {"components": ["m0"], **COMMON}),
            (
                "A ComponentAnswer needs the fact 'components' (the names of all heads and MLPs): add it to the facts "
                "of the AnswerSchema."
            ),
        ),
        (
            AnswerSchema(ComponentAnswer, {"components": ["m0"]}, {"components": ["m1"], **COMMON}),
            (
                "The example of the AnswerSchema is not a valid ComponentAnswer: The answer does not fit the schema: "
                "components: the model has no component 'm1'."
            ),
        ),
        (
            AnswerSchema(Layers, {}, {"layers": [0], **COMMON}),
            (
                "A validator of Layers looks up the fact 'n_layers', which the AnswerSchema does not have: add it to "
                "its facts, and to Layers.needs."
            ),
        ),
    ],
)
def test_a_mistake_of_the_task_s_author_is_one_sentence(schema, message):
    with pytest.raises(ConfigurationError) as caught:
        schema.check()
    assert str(caught.value) == message


@pytest.mark.parametrize("schema", [CIRCUIT, ROLES, RANKING, BEHAVIOUR, NEURONS, LETTERS, PROBE, TEXT_PROBE, DIRECTION])
def test_facts_that_are_needed_are_those_that_validators_look_up(schema):
    schema.check()
    assert {*schema.model.needs} == {*schema.facts}
