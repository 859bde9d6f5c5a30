"""The terms of a laboratory for circuits of a real language model, and the code that replaces the model's.

The unit is a token. The price of an experiment on one pair of prompts is a multiple of their length T, and so are
budgets. With 300 components::

    every component of a pair, read on both sides      2 T (1 + 296 / 4) = 150 T
    gradients at 60 places, on one input               T (1 + 2 + 56 / 4) =  17 T, one more where it is patched
    every component of a pair, patched one by one      300 (2 T)          = 600 T

EAP-IG with five inputs on the way costs 240 T for a pair. One pair is enough where the metric is a difference of
probabilities, a few where it is one of logits, and some twenty where it is a log-probability (induction). Ablation one
by one never fits a tight budget on as many pairs as it would need. The lowest budget is below half of the first line:
together with the gradients of one input it could read 106 of the 300 components on a single pair. For the others there
are at best sums over the heads of a layer, which don't distinguish them.
"""

from __future__ import annotations

from scribe_suite.laboratory.terms import Terms

#: Budgets in lengths of a prompt.
GENEROUS, TIGHT, LOWEST = 2_500, 1_000, 70
#: Decimals of returned values: gradients of a real model are small.
DECIMALS = 6


def granted(length: int, *, tight: int = TIGHT, generous: int = GENEROUS) -> dict[int, Terms]:
    """Level -> terms.

    Args:
        length: Tokens of a prompt, the first one included.
        tight: Lengths of a prompt that level 3 grants.
        generous: Those of level 2.
    """
    lengths = {2: generous, 3: tight, 4: LOWEST}
    return {level: Terms(budget=number * length, decimals=DECIMALS) for level, number in lengths.items()}


#: Replaces `task`'s code where there is neither model nor tokenizer.
LOAD = """\
import random

frames = json.load(open("frames.json"))
data = load_file("data.safetensors")
prompts, counterfactuals = data["prompts"], data["counterfactuals"]
options, weights = data["options"], data["weights"]
n_layers, n_heads = lab.shape["n_layers"], lab.shape["n_heads"]
components = [
    name for layer in range(n_layers) for name in [*(f"a{layer}.h{head}" for head in range(n_heads)), f"m{layer}"]
]


"""
ENCODE = '''\
def encode(drawn):
    """Token ids of prompts and counterfactuals, (n, length); of options, and their weights, (n, options)."""
    ids = {side: torch.tensor(lab.tokenize([one[side] for one in drawn])) for side in ("clean", "counterfactual")}
    options = torch.tensor([[row[1] for row in lab.tokenize(one["options"])] for one in drawn])
    return ids["clean"], ids["counterfactual"], options, torch.tensor([one["weights"] for one in drawn])
'''
