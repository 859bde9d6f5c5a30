"""A feature looks at the token, the one before and the position; a response adds features up."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature, Response, feature_matrix

TEXT = TaggedText(
    tokens=torch.tensor([[1, 2, 1, 3], [2, 1, 1, 2]]),
    tags=torch.tensor([[0, 5, 5, 0], [5, 0, 5, 0]]),
)
ONE, TWO = frozenset({1}), frozenset({2})


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (Feature("every position"), [[1, 1, 1, 1], [1, 1, 1, 1]]),
        (Feature("no token", tokens=frozenset()), [[0, 0, 0, 0], [0, 0, 0, 0]]),
        (Feature("token", tokens=ONE), [[1, 0, 1, 0], [0, 1, 1, 0]]),
        (Feature("tokens", tokens=frozenset({1, 3, 99})), [[1, 0, 1, 1], [0, 1, 1, 0]]),
        (Feature("tag", tags=frozenset({5})), [[0, 1, 1, 0], [1, 0, 1, 0]]),
        (Feature("token of a tag", tokens=ONE, tags=frozenset({5})), [[0, 0, 1, 0], [0, 0, 1, 0]]),
        (Feature("after a token", previous_tokens=ONE), [[0, 1, 0, 1], [0, 0, 1, 1]]),
        (Feature("after a tag", previous_tags=frozenset({0})), [[0, 1, 0, 0], [0, 0, 1, 0]]),
        (Feature("token after a token", tokens=ONE, previous_tokens=TWO), [[0, 0, 1, 0], [0, 1, 0, 0]]),
        (
            Feature("token and tag before", previous_tokens=ONE, previous_tags=frozenset({5})),
            [[0, 0, 0, 1], [0, 0, 0, 1]],
        ),
        (Feature("place", profile=(0.0, 0.5, 1.0, 0.25)), [[0, 0.5, 1, 0.25], [0, 0.5, 1, 0.25]]),
        (Feature("token in a place", tokens=ONE, profile=(0.5, 1.0, 0.0, 1.0)), [[0.5, 0, 0, 0], [0, 1, 0, 0]]),
        (Feature("longer profile", profile=(0.0, 0.0, 0.0, 1.0, 1.0, 1.0)), [[0, 0, 0, 1], [0, 0, 0, 1]]),
    ],
    ids=lambda value: value.name if isinstance(value, Feature) else "",
)
def test_a_feature_holds_where_all_its_conditions_hold(feature: Feature, expected: list[list[float]]) -> None:
    values = feature.values(TEXT)
    assert values.dtype == torch.float32
    assert values.tolist() == expected


def test_a_text_longer_than_the_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="'short' has 3 positions, the text 4"):
        Feature("short", profile=(0.0, 1.0, 0.0)).values(TEXT)


def test_a_matrix_has_a_column_per_feature_and_the_texts_one_below_the_other() -> None:
    matrix = feature_matrix([Feature("token", tokens=TWO), Feature("place", profile=(0.0, 0.25, 0.5, 1.0))], TEXT)
    assert matrix[:, 0].tolist() == [0, 1, 0, 0, 1, 0, 0, 1]
    assert matrix[:, 1].tolist() == [0, 0.25, 0.5, 1] * 2


def test_a_response_is_the_weighted_sum_of_its_features() -> None:
    response = Response(((Feature("own", tokens=ONE), 1.0), (Feature("side", previous_tokens=TWO), 0.25)))
    assert response.on(TEXT).tolist() == [[1, 0, 1.25, 0], [0, 1.25, 1, 0]]


def test_a_silent_response_is_active_elsewhere_and_never_negative() -> None:
    parts = ((Feature("own", tokens=ONE), 1.0), (Feature("side", previous_tokens=TWO), 0.25))
    assert Response(parts, silent=True).on(TEXT).tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]
    only_side = Response(parts[1:], silent=True)
    assert only_side.on(TEXT).tolist() == [[1, 1, 0.75, 1], [1, 0.75, 1, 1]]


def test_a_response_wants_the_values_of_all_its_features() -> None:
    response = Response(((Feature("own"), 1.0), (Feature("side"), 0.5)))
    with pytest.raises(ValueError, match="shorter"):
        response.values([torch.zeros(3)])
