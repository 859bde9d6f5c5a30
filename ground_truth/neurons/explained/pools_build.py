"""Makes the pools of ``neurons/explain``; the same pools whenever it is run.

python -m ground_truth.neurons.explained.pools_build            # a CPU minute
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from safetensors.torch import save_file

from ground_truth.neurons.explained.levels import FORMS
from ground_truth.neurons.explained.pools import RULES, TEXTS, record_of
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.neurons.compound.drawing import draw_rule
from scribe_suite.planting.neurons.compound.rules import Rule
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.seeds import derive_seed

#: Number of rules of each form, and of texts.
N_RULES, N_TEXTS = 40, 3000
#: Largest number of a form's rules that count the same set of tokens.
SAME_COUNTED = 20
_TEXT_SEED = 23


def rules_of(form: str) -> Iterator[Rule]:
    """The rules of a form, one after another, without end, and none twice."""
    counted: Counter[str] = Counter()
    known: set[Rule] = set()
    rng = random.Random(derive_seed(0, "neurons/explain", form))
    while True:
        rule = draw_rule(form, rng, [name for name, count in counted.items() if count >= SAME_COUNTED])
        if rule not in known:
            known.add(rule)
            counted.update(condition.name for condition in rule.conditions if condition.least > 1)
            yield rule


def written(rules: Mapping[str, Sequence[Any]]) -> str:
    """The pool of rules as JSON, a rule a line."""
    forms = (
        f" {json.dumps(form)}: [\n  " + ",\n  ".join(json.dumps(one) for one in some) + "\n ]"
        for form, some in rules.items()
    )
    return "{\n" + ",\n".join(forms) + "\n}\n"


def main() -> None:
    """Write both pools."""
    torch.set_num_threads(1)
    found: dict[str, list[Any]] = {}
    for form in sorted({form for asked in FORMS.values() for forms in asked for form in forms}):
        found[form] = [record_of(rule) for rule, _ in zip(rules_of(form), range(N_RULES), strict=False)]
    RULES.parent.mkdir(exist_ok=True)
    RULES.write_text(written(found))
    text = sample_text(_TEXT_SEED, N_TEXTS, CONTEXT)
    save_file({"tokens": text.tokens.to(torch.int16), "tags": text.tags.to(torch.uint8)}, TEXTS)


if __name__ == "__main__":
    main()
