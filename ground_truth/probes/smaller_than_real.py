"""probes/smaller_than_real: a linear probe for a property of statements in a real model, or that there is none."""

from __future__ import annotations

from typing import ClassVar

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.measurements import SmallerThanMeasurement
from ground_truth.probes.real.task import MeasuredProbeTask

MEASUREMENT = SmallerThanMeasurement()


class SmallerThanReal(MeasuredProbeTask):
    """Read from a real model's residual stream what a question about statements asks, where that is possible."""

    name: ClassVar[str] = "smaller_than_real"
    summary: ClassVar[str] = (
        "linear probe for statements about smaller numbers on a real model, judged on unseen ones; or none"
    )
    measurement: ClassVar[ProbeMeasurement] = MEASUREMENT
