"""The terms of a level in the laboratory: the budget, and what an experiment may do and return."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_serializer

#: Kinds of output.
Returns = Literal["logits", "log_probs", "labels", "samples", "nothing"]
#: The positions of outputs. A model has outputs at every position, and each reveals something about patches before it:
#: a prompt of 14 tokens gives 14 samples.
Positions = Literal["any", "last"]
#: What a run may do besides returning outputs. Patches with the agent's own vectors are a separate operation: with them
#: it can read the columns of a weight matrix, one per prompt.
Operation = Literal["read", "pattern", "patch", "vector", "path", "grad"]
#: The operations in words.
MEANINGS: dict[Operation, str] = {
    "read": "read activations",
    "pattern": "read attention patterns",
    "patch": "patch with values of other runs, their means, or zero",
    "vector": "patch with vectors and subspaces of one's own",
    "path": "patch paths",
    "grad": "have gradients",
}
OPERATIONS: frozenset[Operation] = frozenset(get_args(Operation))
#: Raised whenever the noise on reads changes, or what prompts say about it. It is part of the versions of tasks whose
#: laboratories have noise: these rise with it, and no others.
NOISE_REVISION = 1
#: A black box: text or tokens in, outputs out.
OUTPUTS_ONLY: frozenset[Operation] = frozenset()


class Terms(BaseModel):
    """The terms of one attempt, all of which an agent may know.

    Attributes:
        budget: What all runs of the attempt may cost together, in the unit of the model's shape.
        returns: The kind of output; see `recipes.Wanted`.
        temperature: The temperature at which samples are drawn.
        positions: The positions of outputs.
        decimals: The number of decimals of floats, or None.
        sites_per_run: Most sites that one run may return, gradients included, or None for any number.
        read_noise: Standard deviation of the noise on read values, as a share of the root mean square at the site, over
            all prompts and positions of the run, whichever are named; at a head or a neuron, of that of all heads or
            neurons of its block. With patches, it is no smaller than without them.
        operations: The operations that a run may use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: int = Field(ge=0)
    returns: Returns = "logits"
    temperature: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    positions: Positions = "any"
    decimals: int | None = Field(default=4, ge=0, le=8)
    sites_per_run: int | None = Field(default=None, ge=0)
    read_noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    operations: frozenset[Operation] = OPERATIONS

    @field_serializer("operations")
    def _in_order(self, operations: frozenset[Operation]) -> list[str]:
        return sorted(operations)

    @property
    def revision(self) -> int:
        """What is added to the versions of tasks with such a laboratory."""
        return NOISE_REVISION if self.read_noise and self.operations else 0

    @property
    def black_box(self) -> Terms:
        """The same budget with only text or labels: numeric outputs would be a look inside."""
        returns: Returns = "labels" if self.returns in ("logits", "log_probs") else self.returns
        return self.model_copy(update={"operations": OUTPUTS_ONLY, "returns": returns})

    def told(self) -> dict[str, Any]:
        """The terms for an agent, JSON-safe."""
        return self.model_dump(mode="json")
