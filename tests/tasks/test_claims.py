"""Claims beside an answer: what is taken, and what is refused in one clear sentence."""

import json

import pytest

from scribe_suite.errors import AnswerError
from scribe_suite.tasks.answer_kinds import ComponentAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.claims import MAX_CLAIMS, MAX_STATEMENT

SCHEMA = AnswerSchema(ComponentAnswer, {"components": ["m0"]}, {})
CLAIM = {"statement": "accuracy", "value": 0.9, "cell": 7}


def parse(claims):
    answer = {"components": ["m0"], "confidence": 0.5, "summary": "s", "claims": claims}
    return SCHEMA.parse(json.dumps(answer))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"value": 12},
        {"value": -1e-9},
        {"value": None, "verdict": True},
        {"value": None, "verdict": "PASS"},
        {"cell": "notebook.ipynb:7"},
        {"cell": 999_999},
        {"probability": 0.9},
        {"experiment": "r7"},
    ],
)
def test_claims_are_taken_as_they_are(change):
    (claim,) = parse([{**CLAIM, **change}]).claims
    assert {name: value for name, value in claim.model_dump().items() if value is not None} == {
        name: value for name, value in {**CLAIM, **change}.items() if value is not None
    }
    assert type(claim.value) is type({**CLAIM, **change}["value"])


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ("accuracy", "claims: Input should be a valid list"),
        ([7], "claims.0: Input should be a valid dictionary"),
        ([{**CLAIM, "value": True}], "claims.0.value: must be a finite number: anything else goes into 'verdict'"),
        ([{**CLAIM, "value": "0.9"}], "claims.0.value: must be a finite number"),
        ([{**CLAIM, "value": 10**400}], "claims.0.value: must be a finite number"),
        ([{**CLAIM, "value": None}], "claims.0: a claim has either a 'value' or a 'verdict'"),
        ([{**CLAIM, "verdict": True}], "claims.0: a claim has either a 'value' or a 'verdict'"),
        ([{**CLAIM, "value": None, "verdict": 3}], "claims.0.verdict: must be true, false or a text"),
        ([{**CLAIM, "value": None, "verdict": "x" * 201}], "claims.0.verdict: must be true, false or a text"),
        ([{**CLAIM, "cell": 1.5}], "claims.0.cell: must be an execution_count, such as 7"),
        ([{**CLAIM, "cell": -1}], "claims.0.cell: must be an execution_count, such as 7"),
        ([{**CLAIM, "cell": True}], "claims.0.cell: must be an execution_count, such as 7"),
        ([{**CLAIM, "probability": 1.5}], "claims.0.probability: Input should be less than or equal to 1"),
        ([{**CLAIM, "statement": "x" * (MAX_STATEMENT + 1)}], "claims.0.statement: String should have at most 500"),
        ([{**CLAIM, "why": 1}], "claims.0.why: Extra inputs are not permitted"),
        ([CLAIM] * (MAX_CLAIMS + 1), "claims: List should have at most 50 items"),
    ],
)
def test_a_malformed_claim_is_refused_with_its_place_and_reason(claims, message):
    with pytest.raises(AnswerError, match="The answer does not fit the schema") as caught:
        parse(claims)
    assert message in str(caught.value)
    assert ";" not in str(caught.value)  # one reason, not one for each type that it might be


def test_an_answer_without_claims_is_written_as_before_there_were_any():
    assert "claims" not in parse([]).model_dump(mode="json")
    assert parse([CLAIM]).model_dump(mode="json")["claims"][0]["cell"] == 7
