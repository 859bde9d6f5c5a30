"""What a level allows in the laboratory: the budget, and what an experiment may do and return."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_serializer

#: What an output is.
Returns = Literal["logits", "log_probs", "labels", "samples", "nothing"]
#: Where outputs are given. A model has some at every position, and each tells something of what was patched before it:
#: a prompt of 14 tokens gives 14 samples.
Positions = Literal["any", "last"]
#: What a run may do besides giving outputs. Patches with vectors of the agent's own are by themselves: with them it can
#: ask for the columns of a weight matrix, one a prompt.
Operation = Literal["read", "pattern", "patch", "vector", "path", "grad"]
#: What each one is, for a person.
MEANINGS: dict[Operation, str] = {
    "read": "read activations",
    "pattern": "read attention patterns",
    "patch": "patch with values of other runs, their means, or zero",
    "vector": "patch with vectors and subspaces of one's own",
    "path": "patch paths",
    "grad": "have gradients",
}
OPERATIONS: frozenset[Operation] = frozenset(get_args(Operation))
#: A black box: text or tokens in, outputs out.
OUTPUTS_ONLY: frozenset[Operation] = frozenset()


class Terms(BaseModel):
    """Terms of one attempt. An agent may know all of them.

    Attributes:
        budget: What all runs of the attempt may cost together, in the unit of the model's shape.
        returns: What an output is; see `recipes.Wanted`.
        temperature: The temperature at which samples are drawn.
        positions: At which positions outputs are given.
        decimals: To which floats are rounded, or None.
        sites_per_run: How many sites one run may give, gradients included, or None for any number.
        read_noise: Standard deviation of the noise on what is read, as a share of its root mean square over the run; at
            a single neuron, of that of all neurons of its block.
        operations: What a run may do.
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
    def black_box(self) -> Terms:
        """The same budget for text or labels alone: numbers of outputs would be a look inside."""
        returns: Returns = "labels" if self.returns in ("logits", "log_probs") else self.returns
        return self.model_copy(update={"operations": OUTPUTS_ONLY, "returns": returns})

    def told(self) -> dict[str, Any]:
        """The terms as an agent gets them, JSON-safe."""
        return self.model_dump(mode="json")
