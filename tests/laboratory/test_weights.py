"""Whether weights can be solved for: reads and logits are linear equations, and terms have to spoil them."""

from __future__ import annotations

from functools import cache

import torch

from scribe_suite.laboratory.recipes import Recipe
from scribe_suite.laboratory.terms import Terms
from scribe_suite.tasks.registry import default_registry

from .small_models import BASE, ask, plain, tokens

#: The last site before the unembedding.
LAST = f"resid_post.{BASE['n_layers'] - 1}"


@cache
def tight_levels() -> dict[str, Terms]:
    """What levels 3 and 4 of the planted models grant."""
    registry = default_registry()
    found = {}
    for facts in registry.facts.values():
        task = registry[facts.id]
        if facts.access == "lab" and task.source == "planted" and not facts.id.endswith("_2"):
            assert task.terms is not None
            found[facts.id] = task.terms
    return found


def error_of_unembedding(terms: Terms, seed: int = 0) -> float:
    """Solve for W_U by least squares; the size of the error as a share of its own, 1 where there are no equations."""
    model = plain("no norm")
    if "read" not in terms.operations or terms.returns not in ("logits", "log_probs"):
        return 1.0
    outputs = "all" if terms.positions == "any" else "last"
    n_prompts = min(terms.budget, 200)
    site = LAST if outputs == "all" else f"{LAST}@-1"
    found = ask(
        "no norm",
        Recipe("run", tokens(seed, n_prompts)),
        read=[site],
        outputs=outputs,
        returns=terms.returns,
        decimals=terms.decimals,
        read_noise=terms.read_noise,
        seed="secret",
    )
    streams, logits = found[site].reshape(-1, BASE["d_model"]), found["outputs"].reshape(-1, BASE["d_vocab_out"])
    ones = torch.ones(len(streams), 1)
    solved = torch.linalg.lstsq(torch.cat([streams, ones], 1).double(), logits.double()).solution[:-1]
    true = model.W_U.double()
    if terms.returns == "log_probs":  # which say nothing of what all labels have in common
        solved, true = solved - solved.mean(1, keepdim=True), true - true.mean(1, keepdim=True)
    return float((solved - true).norm() / true.norm())


def test_exact_reads_give_the_unembedding_away():
    """So that the next test can fail: the same attack, without what spoils it."""
    assert error_of_unembedding(Terms(budget=40)) < 0.02


def test_levels_3_and_4_of_planted_models_do_not():
    assert len(tight_levels()) >= 38
    errors = {name: error_of_unembedding(terms) for name, terms in tight_levels().items()}
    assert min(errors.values()) > 0.4, errors


def test_levels_3_and_4_of_planted_models_take_no_vectors_and_give_no_gradients():
    """With these an agent makes inputs of its own, one for each unknown.

    The family of variables asks what vectors do, and its answers are about activations: there they are the experiment.
    """
    levels = {name: terms for name, terms in tight_levels().items() if not name.startswith("variables/")}
    granted = {name: terms.operations & {"vector", "grad"} for name, terms in levels.items()}
    assert {name: some for name, some in granted.items() if some} == {}
