from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from scribe_suite.laboratory.terms import OPERATIONS, OUTPUTS_ONLY, Terms


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"budget": -1},
        {"budget": 1, "returns": "weights"},
        {"budget": 1, "temperature": -0.5},
        {"budget": 1, "temperature": float("inf")},
        {"budget": 1, "read_noise": float("nan")},
        {"budget": 1, "positions": "first"},
        {"budget": 1, "operations": ["fly"]},
        {"budget": 1, "sites_per_run": -1},
        {"budget": 1, "price": 3},
    ],
)
def test_terms_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        Terms(**fields)


def test_what_an_agent_is_told_is_json_and_always_the_same():
    told = Terms(budget=5).told()
    assert json.loads(json.dumps(told)) == told
    assert told["operations"] == sorted(OPERATIONS)
    assert Terms(budget=5, operations=OUTPUTS_ONLY).told()["operations"] == []
    assert Terms(**told) == Terms(budget=5)
