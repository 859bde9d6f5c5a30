"""Answers to `neurons/explain` that don't use the neuron.

A model's outputs do not identify its neurons, and every instance has new rules. The answers can only use the
distribution of rules and the frequencies of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from safetensors.torch import load

from scribe_suite.tasks.task import TaskInstance

#: Number of instances whose rules are tried; the skill is their mean.
_OTHERS = 3
_RARE = """\
RARITY = {rarity}


def predict({arguments}):
    return [ord(RARITY[token]) for token in tokens]
"""

Skill = Callable[[TaskInstance, Mapping[str, Any]], float | None]
Solver = Callable[[TaskInstance], float | None]


def other_rules(skill_of: Skill) -> Solver:
    """The mean skill of other instances' rules, which transfer because they are about text and not about names."""

    def solver(instance: TaskInstance) -> float | None:
        found = [skill_of(instance, {"code": _carried(instance, number)}) for number in range(1, _OTHERS + 1)]
        return None if None in found else float(np.mean([one for one in found if one is not None]))

    return solver


def _carried(instance: TaskInstance, number: int) -> str:
    """The code of another instance, in this one's names of tokens and neurons."""
    from dataclasses import replace

    hidden = instance.hidden
    other = instance.task.instance(instance.seed + 1000 * number).hidden
    rules = dict(zip(hidden.rules, other.rules.values(), strict=True))
    code: str = replace(hidden, rules=rules).source()
    return code


def rare_tokens(skill_of: Skill) -> Solver:
    """The skill of predicting that a neuron fires where a token is rare."""

    def solver(instance: TaskInstance) -> float | None:
        tokens = load(instance.public.data_files["text.safetensors"])["tokens"].flatten().numpy()
        counts = np.bincount(tokens, minlength=instance.public.facts["d_vocab"])
        rarity = "".join(chr(65 + round(3 * float(np.log2(len(tokens) / (1 + count))))) for count in counts)
        arguments = ", ".join(instance.public.facts["arguments"])
        return skill_of(instance, {"code": _RARE.format(rarity=json.dumps(rarity), arguments=arguments)})

    return solver
