"""What tests of submitted functions share: prompts, code for them, and one way to run it."""

from __future__ import annotations

import pytest

from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.scoring.submitted_function import FunctionLimits, run_submitted_function

NAMESPACES = probe_isolation("auto")
needs_namespaces = pytest.mark.skipif(
    NAMESPACES.name != "namespaces", reason=f"namespaces do not work here: {'; '.join(NAMESPACES.reasons)}"
)
PROMPTS = [[index, index * 7 % 13, 3] for index in range(40)]
SUMS = tuple((first + second,) for first, second, _ in PROMPTS)
QUICK = FunctionLimits(time_s=1.5)


def run(body: str, prompts=PROMPTS, limits=None, **options):
    return run_submitted_function(body, prompts, limits=limits, **options)


def returning(expression: str) -> str:
    return f"import numpy as np\ndef predict(prompts):\n    return {expression}"


def problem(body: str, limits=None) -> tuple[str, str]:
    """The problem and its kind of code that gets no predictions at all."""
    result = run(body, limits=limits)
    assert result.predictions is None
    assert result.problem is not None
    assert result.problem.startswith("The submitted function ")
    assert result.problem.endswith(".")
    assert "\n" not in result.problem
    assert len(result.problem) < 600
    return result.problem, str(result.fault)
