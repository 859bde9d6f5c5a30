"""probes/facts_real: a linear probe for a property of statements in a real model, or that there is none."""

from __future__ import annotations

from typing import ClassVar

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.measurements import FactsMeasurement
from ground_truth.probes.real.task import MeasuredProbeTask

MEASUREMENT = FactsMeasurement()


class FactsReal(MeasuredProbeTask):
    """Read from a real model's residual stream what a question about statements asks, where that is possible."""

    name: ClassVar[str] = "facts_real"
    summary: ClassVar[str] = "linear probe for statements about simple facts on a real model, judged on others; or none"
    measurement: ClassVar[ProbeMeasurement] = MEASUREMENT
