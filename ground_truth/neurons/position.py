"""Which neurons follow the place in the text, in a given shape?"""

from __future__ import annotations

import re
from typing import Any

from ground_truth.neurons.planted.base import Draw
from ground_truth.neurons.planted.hidden import Hidden
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.neurons.measure import position_information
from scribe_suite.planting.neurons.positions import SHAPES
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.scoring.sets import NEURON_METRICS
from scribe_suite.tasks import NeuronAnswer


class PositionNeurons(PlantedNeuronTask):
    """Find the neurons whose activation is a given function of the position."""

    name = "position"
    kind = SHAPES
    summary = "Find the neurons that rise or fall with the position in the text, or fire in one range of positions."
    metrics = (*NEURON_METRICS, "rve", "information")

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """``shape`` (rising, falling or band) and, for a band, its ``first`` and ``last`` position."""
        name = draw.names[0]
        band = re.fullmatch(r"band (\d+)-(\d+)", name)
        return {"shape": "band", "first": int(band[1]), "last": int(band[2])} if band else {"shape": name}

    def further_metrics(self, hidden: Hidden, answer: NeuronAnswer) -> dict[str, float]:
        """``information``: mutual information between activation and position, mean of the submitted neurons, nats."""
        if not answer.neurons:
            return {"information": 0.0}
        columns = [hidden.column(neuron) for neuron in answer.neurons]
        return {"information": float(position_information(hidden.activations[:, columns], CONTEXT).mean())}
