"""Submitted code that reads and writes activations: run in the sandbox, one call at a time, nothing taken on trust."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from scribe_suite.planting.variables.encoded.measuring import EncodingRates, Trial
from scribe_suite.scoring.encoding import ENCODING_METRICS, score_encoding, submitted_code
from scribe_suite.scoring.submitted_function import FunctionResult

THIRDS = (1 / 3, 1 / 3, 1 / 9)


@cache
def asked(count: int = 110, width: int = 5) -> Trial:
    generator = torch.Generator().manual_seed(0)
    prompts = torch.zeros(count, 3, dtype=torch.long)
    return Trial(
        read=torch.randn(count, width, generator=generator),
        values=torch.zeros(count, dtype=torch.long),
        base=prompts,
        source=prompts,
        before=torch.randn(count, width, generator=generator),
        wanted=torch.arange(count) % 3,
    )


def code(read: str, write: str) -> str:
    return (
        f"import numpy as np\n\n\ndef read(activation):\n    {read}\n\n\ndef write(activation, value):\n    {write}\n"
    )


@pytest.mark.slow
def test_numbers_go_in_and_come_back_exactly():
    found = submitted_code(code("return int(activation[0] > 0)", "return activation + [value, 0, 0, 0, -0.0]"), asked())
    assert found.result.problem is None
    assert found.read.tolist() == (asked().read[:, 0] > 0).long().tolist()
    assert bool(found.valid.all())
    expected = asked().before.clone()
    expected[:, 0] += asked().wanted
    assert (found.written - expected).abs().max() < 1e-6
    assert found.written[:, 1:].equal(asked().before[:, 1:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "valid"),
    [
        ("return activation[:-1]", False),
        ("return activation * np.inf", False),
        ("return activation * 1e30", False),
        ("return [str(x) for x in activation]", True),
        ("return None", False),
        ("return activation.reshape(1, -1)", False),
    ],
)
def test_what_is_no_activation_is_not_written(write, valid):
    found = submitted_code(code("return 1", write), asked())
    assert found.valid.tolist() == [valid] * len(asked().before)
    assert found.read.tolist() == [1] * len(asked().read)
    if not valid:
        assert found.written.equal(asked().before)


@pytest.mark.slow
def test_code_that_depends_on_earlier_calls_has_no_predictions():
    remembers = "SEEN = []\n" + code("SEEN.append(0); return len(SEEN)", "return activation")
    found = submitted_code(remembers, asked())
    assert found.result.fault == "unstable"
    assert (found.read == -1).float().mean() > 0.9
    assert bool(found.valid.all())


@pytest.mark.slow
def test_broken_code_and_no_code_read_and_write_nothing():
    broken = submitted_code(code("raise ValueError('no')", "raise ValueError('no')"), asked())
    assert broken.result.fault == "failed"
    for found in (broken, submitted_code("", asked())):
        assert not found.valid.any()
        assert found.read.tolist() == [-1] * len(asked().read)


def test_a_score_has_all_rates_and_says_what_was_wrong_with_the_code():
    perfect = EncodingRates(1.0, 1.0, 1.0, THIRDS)
    score = score_encoding(
        EncodingRates(2 / 3, 1.0, 1.0, THIRDS), perfect, FunctionResult(None, "It failed.", "failed")
    )
    assert tuple(score.metrics) == ENCODING_METRICS
    assert score.skill == pytest.approx(0.75)
    assert (score.flags, score.notes) == (("function_failed",), ("It failed.",))
    assert score_encoding(EncodingRates(1 / 3, 1.0, 1.0, THIRDS), perfect, FunctionResult(None)).skill == 0.0
