"""A measurement that costs nothing: it counts what was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check


class Counting(Measurement):
    """Three steps; the last needs what the first two found."""

    id = "toys/counting"
    summary = "counts"
    cost = "nothing"

    def __init__(self) -> None:
        self.computed: list[str] = []
        self.stop_at: str | None = None
        self.bar = 5.0
        self.inputs = "0" * 64

    def inputs_sha256(self) -> str:
        return self.inputs

    def steps(self) -> Sequence[Step]:
        return [Step(name, f"computing {name}", self._step(name)) for name in ("one", "two", "sum")]

    def _step(self, name: str):
        def compute(context: Context) -> Arrays:
            if name == self.stop_at:
                raise KeyboardInterrupt
            self.computed.append(name)
            context.progress(0.5, "half")
            if name == "sum":
                total = sum(float(context.results[part]["value"].sum()) for part in ("one", "two"))
                return {"value": np.asarray([total]), "names": np.asarray(["first", "zwölf"])}
            return {"value": np.arange(3, dtype=np.float16) + (name == "two")}

        return compute

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        return [Check(name="sum", value=float(results["sum"]["value"][0]), bar=self.bar, direction=">=")]
