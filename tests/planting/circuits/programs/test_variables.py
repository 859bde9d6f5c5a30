"""What variables compute, on values written by hand."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.variables import Variable, class_number, token_class

ROW = torch.tensor([[0, 1, 2, 0, 1, 2, 0, 1, 2, 2, 1, 0]])
OTHER = torch.arange(SHORT.length)[None]


@pytest.mark.parametrize(
    ("variable", "read", "value"),
    [
        (Variable("v", "back", ("x",), 3, everywhere=True, by=2), [OTHER], [[0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]),
        (Variable("v", "at", ("x",), 3, place=4), [OTHER], [4]),
        (Variable("v", "marked", ("f", "x"), 3), [(OTHER == 7).long(), OTHER], [7]),
        (Variable("v", "latest", ("c", "x"), 3, wanted=2), [ROW, OTHER], [9]),
        (Variable("v", "latest", ("c", "x"), 3, wanted=3), [ROW, OTHER], [SHORT.last]),
        (Variable("v", "pointed", ("p", "x"), 3, slots=(5, 8, 1)), [torch.tensor([1]), OTHER], [8]),
        (Variable("v", "count", ("x",), 7, place=5, wanted=2), [ROW], [3]),
        (Variable("v", "table", ("x",), 3, everywhere=True, table=(5, 4, 3), shape=(3,)), [ROW[:, :3]], [[5, 4, 3]]),
        (
            Variable("v", "table", ("x", "p"), 6, table=(0, 1, 2, 3, 4, 5), shape=(3, 2)),
            [torch.flip(ROW, [1]) + 2 * (SHORT.last == OTHER), torch.tensor([1])],
            [5],
        ),
    ],
    ids=["back", "at", "marked", "latest", "none is the latest", "pointed", "count", "table", "table at the end"],
)
def test_an_operation(variable, read, value):
    assert variable.value(read).tolist() == value


def test_a_table_is_an_mlp_and_all_else_a_head():
    assert not Variable("v", "table", ("x",), 2).is_head
    assert Variable("v", "count", ("x",), 7).is_head


def test_classes_of_tokens_have_names_of_their_own():
    assert class_number(token_class(3)) == 3
    assert class_number("v3") is None
