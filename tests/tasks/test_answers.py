"""What every answer says: how sure the agent is, why, and whether there is anything to find."""

from __future__ import annotations

import json

import pytest

from scribe_suite.tasks.answer_kinds import BehaviourAnswer, LetterAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import AnswerOrNothing
from tests.tasks.schemas import (
    BEHAVIOUR,
    CIRCUIT,
    COMMON,
    DIRECTION,
    ENCODING,
    LETTERS,
    NEURONS,
    PREDICT,
    PROBE,
    RANKING,
    READ_AND_WRITE,
    ROLES,
    SUBSPACE,
    TEXT_PROBE,
    TEXT_PROBE_OR_NOTHING,
    USED,
    WINDOW,
    parse,
    refusal,
    refused,
)


class LettersOrNothing(LetterAnswer, AnswerOrNothing):
    """A kind of answer for a task that has null instances and letters."""


class BehaviourOrNothing(BehaviourAnswer, AnswerOrNothing):
    """The same with a function."""


LETTERS_OR_NOTHING = AnswerSchema(LettersOrNothing, LETTERS.facts, LETTERS.example)
BEHAVIOUR_OR_NOTHING = AnswerSchema(BehaviourOrNothing, BEHAVIOUR.facts, BEHAVIOUR.example)
#: A kind of answer, its content, and no content.
WITHOUT_NULLS = [
    pytest.param(CIRCUIT, {"components": ["m0"]}, {"components": []}, id="components"),
    pytest.param(ROLES, {"roles": {"m0": "supports"}}, {"roles": {}}, id="roles"),
    pytest.param(RANKING, {"ranking": ["m0"]}, {"ranking": []}, id="ranking"),
    pytest.param(NEURONS, {"neurons": ["L0.N3"]}, {"neurons": []}, id="neurons"),
    pytest.param(LETTERS, {"neurons": LETTERS.example["neurons"]}, {"neurons": {}}, id="letters"),
    pytest.param(PROBE, {"weight": [1.0] * 4}, {"weight": []}, id="probe"),
    pytest.param(TEXT_PROBE, {"weight": [1.0] * 4}, {"weight": []}, id="text probe"),
    pytest.param(DIRECTION, {"direction": [1.0] * 4}, {"direction": []}, id="direction"),
    pytest.param(SUBSPACE, {"directions": [[1.0] * 4]}, {"directions": []}, id="subspace"),
    pytest.param(ENCODING, {"code": READ_AND_WRITE}, {"code": " \n"}, id="encoding"),
    pytest.param(USED, {"used": {"p0": 0.0, "p1": 1.0}}, {"used": {}}, id="used"),
    pytest.param(BEHAVIOUR, {"code": PREDICT, "components": ["m0"]}, {"code": " \n", "components": []}, id="behaviour"),
]
WITH_NULLS = [
    pytest.param(TEXT_PROBE_OR_NOTHING, {"weight": [1.0] * 4}, {"weight": []}, "'weight' is", id="text probe"),
    pytest.param(WINDOW, {"layer": 3, "directions": [[1.0] * 4]}, {"directions": []}, "'directions' is", id="window"),
    pytest.param(LETTERS_OR_NOTHING, LETTERS.example, {"neurons": dict.fromkeys("kst")}, "'neurons' is", id="letters"),
    pytest.param(
        BEHAVIOUR_OR_NOTHING,
        {"code": "", "components": ["m0"]},
        {"code": "", "components": []},
        "'code' and 'components' are",
        id="behaviour",
    ),
]


class TestCommonFields:
    @pytest.mark.parametrize("missing", ["confidence", "summary", "components"])
    def test_a_missing_field_is_named(self, missing):
        fields = {key: value for key, value in CIRCUIT.example.items() if key != missing}
        message = refusal(CIRCUIT, json.dumps(fields))
        assert message.startswith("The answer does not fit the schema: ")
        assert f"{missing}: Field required" in message

    def test_an_unknown_field_is_named(self):
        assert "accuracy: Extra inputs are not permitted" in refused(CIRCUIT, components=["m0"], accuracy=1.0)

    @pytest.mark.parametrize("confidence", [-0.1, 1.1, "very", None, float("nan"), float("inf")])
    def test_confidence_is_a_probability(self, confidence):
        assert "confidence: " in refused(CIRCUIT, components=["m0"], confidence=confidence)

    def test_a_very_long_summary_is_refused(self):
        assert "summary: " in refused(CIRCUIT, components=["m0"], summary="x" * 20_001)

    def test_only_the_first_errors_are_listed_and_the_rest_counted(self):
        message = refused(PROBE, weight=["x", "y", "z", "w"])
        assert message.count("weight.") == 3
        assert "(and 1 more)" in message

    @pytest.mark.parametrize(
        ("schema", "fields"),
        [
            (CIRCUIT, {"components": ["x" * 15_000]}),
            (ROLES, {"roles": {"x" * 15_000: "supports"}}),
            (ROLES, {"roles": {"x" * 15_000: "nothing"}}),
            (CIRCUIT, {"components": ["m0"], "x" * 15_000: 1}),
        ],
        ids=["component", "component with a role", "component with a wrong role", "field"],
    )
    def test_names_of_the_answer_do_not_come_back_at_length(self, schema, fields):
        message = refused(schema, **fields)
        assert "x" * 50 + "xxxxxxx..." in message
        assert "x" * 60 not in message


class TestNothingFound:
    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_where_something_is_always_there_it_is_refused_in_one_sentence(self, schema, content, nothing):
        for fields in (content, nothing):
            message = refused(schema, **fields, nothing_found=True)
            assert "in this task there is always something to find, so leave 'nothing_found' out" in message

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_where_something_is_always_there_the_field_is_unknown_to_the_schema(self, schema, content, nothing):
        assert not schema.has_nulls
        assert "nothing_found" not in schema.model.model_json_schema()["properties"]
        assert parse(schema, **content).says_nothing_found() is None

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_a_recorded_answer_of_old_that_says_false_is_still_read(self, schema, content, nothing):
        assert parse(schema, **content, nothing_found=False) == parse(schema, **content)

    @pytest.mark.parametrize("value", [0, None, "false", [], 1])
    def test_only_false_is_overlooked(self, value):
        assert "leave 'nothing_found' out" in refused(CIRCUIT, components=["m0"], nothing_found=value)

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_an_answer_without_content_is_valid_where_something_is_always_there(self, schema, content, nothing):
        assert parse(schema, **nothing).is_empty()
        assert not parse(schema, **content).is_empty()

    @pytest.mark.parametrize(("schema", "content", "nothing", "names"), WITH_NULLS)
    def test_with_null_instances_no_content_is_an_answer_only_with_nothing_found(self, schema, content, nothing, names):
        assert schema.has_nulls
        assert f"{names} empty; if that is your finding, set 'nothing_found' to true" in refused(schema, **nothing)
        answer = parse(schema, **nothing, nothing_found=True)
        assert answer.is_empty()
        assert answer.says_nothing_found() is True

    @pytest.mark.parametrize(("schema", "content", "nothing", "names"), WITH_NULLS)
    def test_with_null_instances_content_contradicts_nothing_found(self, schema, content, nothing, names):
        fields = {**COMMON, **content}
        expected = names.rpartition(" ")[0]
        message = refusal(schema, json.dumps({**fields, "nothing_found": True}))
        assert f"'nothing_found' is true, so {expected} must be empty" in message
        assert schema.parse(json.dumps({**fields, "nothing_found": False})).says_nothing_found() is False
        assert schema.parse(json.dumps(fields)).says_nothing_found() is False
