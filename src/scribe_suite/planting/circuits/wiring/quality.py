"""Whether the wiring of a program is worth planting: every single edge has to matter for the label."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import Intervention
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import class_number
from scribe_suite.planting.circuits.wiring.edges import EMBED, ROLES_OF, Role, inputs_of

#: Numbers of prompts on which programs are judged, each with its slack on the bars: a few reject most drafts.
_LOOKS = ((300, 0.75), (2000, 1.0))


def labels_along(
    program: Program,
    variable: str,
    read: tuple[str, Role],
    base: Int[Tensor, "pair ctx"],
    source: Int[Tensor, "pair ctx"],
) -> Int[Tensor, " pair"]:
    """The labels on `base` when one variable, in one role, reads the value of one input on `source`.

    Args:
        program: The program that computes labels.
        variable: The reader.
        read: A variable or `EMBED`, and the role, as returned by `inputs_of`.
        base: The prompts to run.
        source: A source prompt for each of them.
    """
    part, (wanted, role) = program.by_name[variable], read
    here, there = program.run(base).values, program.run(source).values
    roles = ROLES_OF[part.operation] if part.is_head else ("in",) * len(part.inputs)
    columns = []
    for name, own in zip(part.inputs, roles, strict=True):
        known = EMBED if class_number(name) is not None else name
        tokens, values = (source, there) if (known, own) == (wanted, role) else (base, here)
        columns.append(program._read(name, tokens, values))
    changed = Intervention(torch.ones(len(base), dtype=torch.bool), part.value(columns))
    return program.run(base, {variable: changed}).labels[:, 0]


def edge_effects(program: Program, prompts: int, seed: int) -> dict[tuple[str, str, Role], float]:
    """Compute (reader, input, role) -> share of labels that change along this edge alone."""
    base, source = program.sample_pairs(prompts, torch.Generator().manual_seed(seed))
    clean = program.run(base).labels[:, 0]
    return {
        (name, *read): (labels_along(program, name, read, base, source) != clean).float().mean().item()
        for name in program.variables
        for read in inputs_of(program, name)
    }


def fault(program: Program, effect: float, commonest: float) -> str:
    """The reason why a program is not good enough; empty if it is.

    Args:
        program: The program to judge.
        effect: Least share of labels that change along any edge.
        commonest: Largest allowed share of any label.
    """
    for prompts, slack in _LOOKS:
        base, _ = program.sample_pairs(prompts, torch.Generator().manual_seed(1))
        labels = program.run(base).labels[:, 0]
        if torch.bincount(labels).max() / prompts > commonest / slack:
            return "a common label"
        found = edge_effects(program, prompts, seed=1)
        worst = min(found, key=lambda edge: found[edge])
        if found[worst] < effect * slack:
            return f"{worst[0]} hardly needs {worst[1]}"
    return ""
