"""The form of requests, which kernels may get wrong in any way: one sentence each."""

from __future__ import annotations

from typing import Any

import pytest

from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import MAX_PATCHES, NoRequest, RunRequest, TokenizeRequest, understood

ZERO = {"kind": "zero", "site": "m0"}
FULL = {
    "texts": ["a"],
    "read": ["m0", "embed@-1"],
    "patch": [
        {"kind": "interchange", "site": "m0", "run": "r1", "prompt": 2},
        {"kind": "interchange", "site": "m0", "run": "r1", "prompt": [2, 1]},
        ZERO,
        {"kind": "mean", "site": "m0", "run": "r1"},
        {"kind": "add", "site": "m0", "vector": "v"},
        {"kind": "set", "site": "m0", "vector": "v"},
        {"kind": "subspace", "site": "m0", "Q": "v", "run": "r1"},
        {"kind": "path", "site": "m0", "to": "logits", "run": "r1", "prompt": None},
    ],
    "grad": {"of": {"labels": [1, 2], "minus": 3}, "at": ["m0"]},
    "outputs": [0, -1],
    "labels": [1],
}


def test_a_request_with_everything_is_understood():
    request = understood(RunRequest, FULL)
    assert [patch.kind for patch in request.patch] == [
        "interchange", "interchange", "zero", "mean", "add", "set", "subspace", "path",
    ]  # fmt: skip
    assert request.outputs == [0, -1]
    assert understood(RunRequest, {}).outputs == "last"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reads": []}, "reads: Extra inputs are not permitted"),
        ({"read": "m0"}, "read: Input should be a valid list"),
        ({"read": [1]}, "read.0: Input should be a valid string"),
        ({"read": ["m0"] * 5000}, "read: at most 4,096 are allowed, not 5,000."),
        ({"patch": {}}, "patch: Input should be a valid list"),
        ({"patch": [ZERO] * (MAX_PATCHES + 1)}, "patch: at most 4,096 are allowed, not 4,097."),
        ({"patch": ["m0"]}, "patch.0: Input should be a valid dictionary or object"),
        ({"patch": [{"site": "m0"}]}, "patch.0: Unable to extract tag using discriminator 'kind'"),
        ({"patch": [{"kind": "melt", "site": "m0"}]}, "patch.0: Input tag 'melt' found using 'kind' does not match"),
        ({"patch": [{"kind": "zero"}]}, "patch.0.zero.site: Field required"),
        ({"patch": [{**ZERO, "run": "r1"}]}, "patch.0.zero.run: Extra inputs are not permitted"),
        ({"patch": [{"kind": "mean", "site": "m0", "run": 1}]}, "patch.0.mean.run: Input should be a valid string"),
        ({"patch": [{"kind": "interchange", "site": "m0", "run": "r1", "prompt": 1.5}]}, "Input should be a valid int"),
        (
            {"patch": [{"kind": "interchange", "site": "m0", "run": "r1", "prompt": True}]},
            "Input should be a valid int",
        ),
        ({"grad": {"of": {"labels": "x"}, "at": ["m0"]}}, "Input should be a valid integer"),
        ({"grad": {"of": {"labels": 1}, "at": []}}, "grad.at: at least 1 is needed."),
        ({"outputs": "first"}, "outputs"),
        ({"outputs": [1.0]}, "Input should be"),
        ({"labels": []}, "labels: at least 1 is needed."),
        ({"texts": []}, "texts: at least 1 is needed."),
        ({"texts": [None]}, "texts.0: Input should be a valid string"),
    ],
)
def test_what_has_another_form_is_refused_in_one_sentence(fields: dict[str, Any], said: str):
    with pytest.raises(RefusedError) as refusal:
        understood(RunRequest, fields)
    message = str(refusal.value)
    assert message.startswith("The request can't be understood: ")
    assert said in message
    assert message.endswith(".")
    assert len(message) < 400
    assert "\n" not in message


def test_a_complaint_does_not_repeat_long_or_strange_input():
    for name in ("x" * 100_000, "\x1b[31m\ud800", "a\nb"):
        with pytest.raises(RefusedError) as refusal:
            understood(RunRequest, {"patch": [{"kind": name}], name: 1})
        assert len(str(refusal.value)) < 400
        assert "\x1b" not in str(refusal.value)
        str(refusal.value).encode()


def test_something_nested_without_end_is_refused():
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    for fields in ({"read": deep}, {"patch": deep}, {"grad": deep}, {"labels": deep}):
        with pytest.raises(RefusedError):
            understood(RunRequest, fields)


def test_other_requests_have_their_own_fields():
    assert understood(TokenizeRequest, {"texts": ["a", "b"]}).texts == ["a", "b"]
    assert understood(TokenizeRequest, {"texts": ["a"], "bos": False}).bos is False
    with pytest.raises(RefusedError, match="bos: Input should be a valid boolean"):
        understood(TokenizeRequest, {"texts": ["a"], "bos": 1})
    understood(NoRequest, {})
    with pytest.raises(RefusedError):
        understood(NoRequest, {"read": []})
    with pytest.raises(RefusedError):
        understood(TokenizeRequest, {"texts": "a"})
