"""probes/grammar_real: a linear probe for a property of statements in a real model, or that there is none."""

from __future__ import annotations

from typing import ClassVar

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.measurements import GrammarMeasurement
from ground_truth.probes.real.task import MeasuredProbeTask

MEASUREMENT = GrammarMeasurement()


class GrammarReal(MeasuredProbeTask):
    """Read from a real model's residual stream what a question about statements asks, where that is possible."""

    name: ClassVar[str] = "grammar_real"
    summary: ClassVar[str] = "linear probe for statements about agreement on a real model, judged on others; or none"
    measurement: ClassVar[ProbeMeasurement] = MEASUREMENT
