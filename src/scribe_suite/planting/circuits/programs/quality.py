"""Whether a program is worth planting: every variable matters, no two are equivalent, no label is too common."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import interchanged
from scribe_suite.planting.circuits.programs.dials import Dial
from scribe_suite.planting.circuits.programs.program import Program

#: Numbers of prompts on which programs are judged, each with its slack on the bars: a few reject most drafts.
_LOOKS = ((300, 0.6), (3000, 1.0))


def depth_of(program: Program) -> int:
    """Number of variables on the longest path to the label."""
    depth: dict[str, int] = {}
    for part in program.parts:
        depth[part.name] = 1 + max(depth.get(source, 0) for source in part.inputs)
    return depth[program.variables[-1]]


def labels_by_interchange(program: Program, n: int, seed: int) -> Int[Tensor, "one_more pair"]:
    """The labels of base prompts: first without an intervention, then with each variable interchanged alone."""
    base, source = program.sample_pairs(n, torch.Generator().manual_seed(seed))
    rows = [program.run(base).labels[:, 0]]
    alone = torch.eye(len(program.variables), dtype=torch.bool)
    rows += [interchanged(program, base, source, one.expand(n, -1)).labels[:, 0] for one in alone]
    return torch.stack(rows)


def effects(labels: Int[Tensor, "one_more pair"]) -> Float[Tensor, " variable"]:
    """Share of labels that each variable's interchange changes, from the result of `labels_by_interchange`."""
    return (labels[1:] != labels[0]).float().mean(1)


def least_difference(labels: Int[Tensor, "one_more pair"]) -> float:
    """Share of labels that differ between the two variables whose interchanges are most alike."""
    differ = (labels[1:, None] != labels[None, 1:]).float().mean(-1)
    return float((differ + torch.eye(len(differ))).min())


def fault(program: Program, dial: Dial) -> str:
    """The reason why a program is not good enough; empty if it is."""
    if len(program.variables) != dial.variables:
        return "another number of variables"
    if not dial.counts and any(part.operation == "count" for part in program.parts):
        return "counts"
    if depth_of(program) < dial.depth:
        return "shallow"
    return next(filter(None, (_fault_on(program, dial, prompts, slack) for prompts, slack in _LOOKS)), "")


def _fault_on(program: Program, dial: Dial, prompts: int, slack: float) -> str:
    labels = labels_by_interchange(program, prompts, seed=1)
    if torch.bincount(labels[0]).max() / prompts > dial.commonest / slack:
        return "a common label"
    found = effects(labels)
    if found.min() < dial.effect * slack:
        return f"{program.variables[int(found.argmin())]} hardly matters"
    if least_difference(labels) < dial.difference * slack:
        return "two variables are one"
    return ""
