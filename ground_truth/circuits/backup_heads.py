"""Two heads, either of which suffices: ablate one and nothing happens, ablate both and the behaviour is gone.

Like the backup name movers of GPT-2 small (Wang et al. 2022, arXiv 2211.00593) and the self-repair of larger models
(McGrath et al. 2023, "The Hydra Effect", arXiv 2307.15771). The later head sees what the earlier one wrote and writes
the difference from the right value, usually zero. A scan over single nodes finds nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.recall import WORDS, RecallPrompts, asked_word
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.causal import CausalRun, Intervention, intervened, placements
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

_LOGIT = 2.0


class BackedUpRecall(RecallPrompts):
    """``primary`` is the asked word; ``backup`` its difference, modulo the number of words, from ``primary``.

    So ``backup`` is 0 unless there was an intervention on ``primary``. The label is their sum. Its logit is prescribed
    too: it must not reveal which of the two contributes.
    """

    variables = ("primary", "backup")
    edges = (
        ("input", "primary"),
        ("input", "backup"),
        ("primary", "backup"),
        ("primary", "output"),
        ("backup", "output"),
    )
    joint = (("primary", "backup"),)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        right = asked_word(tokens)
        primary = intervened("primary", right, interventions)
        backup = intervened("backup", (right - primary) % WORDS, interventions)
        label = (primary + backup) % WORDS
        logits = _LOGIT * functional.one_hot(label, WORDS).float()
        return CausalRun({"primary": primary, "backup": backup}, label[:, None], logits[:, None])


class BackupHeads(PlantedCircuitTask):
    """``circuits/backup_heads``; seeds cycle through the ten placements of two heads in two of five layers."""

    name = "backup_heads"
    summary = "Find the components that recall a word, where no single one is needed."
    laboratory_solution = "laboratory_backups"
    laboratory = laboratory(temperature=0.4)

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = BackedUpRecall()
        shape = five_layers(causal, d_model=216)
        every = placements(shape.n_layers, 2)
        first, second = every[seed * 3 % len(every)]
        return CircuitPlan(
            causal=causal,
            correspondence={"primary": (f"a{first}.h0",), "backup": (f"a{second}.h0",)},
            shape=shape,
            inputs=24,
            sizes={"primary": 9, "backup": 9},
            recipe=SiitRecipe(steps=1500, learning_rate=4e-3),
        )
