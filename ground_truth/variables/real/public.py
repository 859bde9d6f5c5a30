"""What agents get of an instance about a property in a real language model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import save

from ground_truth.circuits.planted.public import public_source
from ground_truth.variables.real.behaviour import Behaviour, encode
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.crossed_prompts import CrossedPrompts
from scribe_suite.tasks.material import PublicMaterial

_LOAD = """\

import json
import random
from safetensors.torch import load_file

frames = json.load(open("frames.json"))
data = load_file("data.safetensors", device=device)
prompts, options = data["prompts"], data["options"]
asked = {asked}  # the property that is asked about, 0 or 1: the second or the third axis of prompts
layers, sites, position = ({first}, {last}), {sites}, {position}  # where it is asked about


"""

_GENERATE = """\


def generate(n, seed=0):
    \"\"\"n more pairs of contexts: prompts and options, of 2 n contexts.\"\"\"
    rng = random.Random(seed)
    return tuple(part.to(device) for part in encode([draw(rng, frames) for _ in range(n)], tokenizer))
"""

_ODDS = '''\


def log_odds(logits, options):
    """Log odds of value 1 against value 0 of both properties, (n, 2), from logits at the last position.

    options has shape (n, 2, 2): for every row the tokens of its context.
    """
    at = logits.gather(-1, options.flatten(1)).unflatten(-1, (2, 2))
    first, second = at.logsumexp(2), at.logsumexp(1)
    return torch.stack([first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]], -1)
'''


def public_material(
    model: str, behaviour: Behaviour, prompts: CrossedPrompts, facts: Mapping[str, Any]
) -> PublicMaterial:
    """Prompts, a function that makes more of them, and the model."""
    functions = "\n\n".join(public_source(function) for function in (behaviour.draw, encode))
    first, last = facts["layers"]
    return PublicMaterial(
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save({"prompts": prompts.tokens.contiguous(), "options": prompts.options.contiguous()}),
            "frames.json": json.dumps(dict(behaviour.public), indent=1).encode(),
        },
        data_code=_LOAD.format(
            asked=facts["asked"]["axis"], first=first, last=last, sites=facts["sites"], position=facts["asked_position"]
        )
        + functions
        + _GENERATE
        + _ODDS,
        facts=facts,
        model=model,
    )
