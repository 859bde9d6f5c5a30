"""probes/greater_than_real: a linear probe for a property of statements in a real model, or that there is none."""

from __future__ import annotations

from typing import ClassVar

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.measurements import GreaterThanMeasurement
from ground_truth.probes.real.task import MeasuredProbeTask

MEASUREMENT = GreaterThanMeasurement()


class GreaterThanReal(MeasuredProbeTask):
    """Read from a real model's residual stream what a question about statements asks, where that is possible."""

    name: ClassVar[str] = "greater_than_real"
    summary: ClassVar[str] = (
        "linear probe for statements about larger numbers on a real model, judged on unseen ones; or none"
    )
    measurement: ClassVar[ProbeMeasurement] = MEASUREMENT
