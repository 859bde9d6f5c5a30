"""A program: a list of variables over opaque tokens, the last of which is the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Intervention, intervened
from scribe_suite.planting.circuits.programs.formats import FORMATS, SHORT, Format
from scribe_suite.planting.circuits.programs.variables import LABELS, Variable, class_number


class Program(CausalModel):
    """See the module's docstring.

    Args:
        parts: The variables, in the order of computation.
        classes: The classifications of tokens that they read, each with the class of every token.
        form: The format of prompts.
    """

    n_labels = LABELS

    def __init__(self, parts: Sequence[Variable], classes: Sequence[Sequence[int]], form: Format = SHORT) -> None:
        self.parts = tuple(parts)
        self.classes = tuple(tuple(one) for one in classes)
        self.form = form
        self.d_vocab, self.n_ctx, self.labelled = form.tokens, form.length, (form.last,)
        self.groups, self.sample_prompts = form.groups, form.sample_prompts
        self.variables = tuple(part.name for part in parts)
        self.by_name: Mapping[str, Variable] = {part.name: part for part in parts}
        self.edges = tuple(self._edges())

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        values: dict[str, Tensor] = {}
        for part in self.parts:
            values[part.name] = intervened(part.name, self.computed(part, tokens, values), interventions)
        return CausalRun(values, values[self.variables[-1]][:, None])

    def computed(
        self, part: Variable, tokens: Int[Tensor, "batch ctx"], values: Mapping[str, Int[Tensor, "batch ..."]]
    ) -> Int[Tensor, "batch ..."]:
        """The value of a variable, computed from its inputs without an intervention on it."""
        return part.value([self._read(source, tokens, values) for source in part.inputs])

    def size_of(self, source: str) -> int:
        """Number of values of a variable, or of a class of tokens."""
        number = class_number(source)
        return self.by_name[source].size if number is None else max(self.classes[number]) + 1

    def as_record(self) -> dict[str, Any]:
        """The program as JSON-safe data."""
        record = {"parts": [asdict(part) for part in self.parts], "classes": [list(one) for one in self.classes]}
        # programs that were frozen before other formats existed don't name theirs
        return record if self.form == SHORT else {**record, "length": self.form.length}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`, also after a round trip through JSON."""
        parts = []
        for part in record["parts"]:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in part.items()}
            parts.append(Variable(**fields))
        return cls(parts, record["classes"], FORMATS[record.get("length", SHORT.length)])

    def _read(self, source: str, tokens: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        number = class_number(source)
        return values[source] if number is None else torch.tensor(self.classes[number])[tokens]

    def _edges(self) -> list[tuple[str, str]]:
        edges = []
        for part in self.parts:
            known = ["input" if class_number(source) is not None else source for source in part.inputs]
            edges += [(source, part.name) for source in dict.fromkeys(known)]
        return [*edges, (self.variables[-1], "output")]
