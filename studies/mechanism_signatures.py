"""Can invariant statistics distinguish nodes that run a program from the others of their model? A two-sample test.

    python -m studies.mechanism_signatures                                   # all levels
    python -m studies.mechanism_signatures --tasks circuits/mechanism_3 --write

For each statistic of `planting.circuits.signatures` and each kind of node, the study measures the frequency with which
a node of the program has a larger value than another node of the same model, and for classifiers, the F1 of the nodes
that they submit. `circuits/mechanism` does not ask which nodes matter, so there is no bar. Its laboratories provide no
weights; they provide activations, with noise.
"""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.signatures.table import node_signatures
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.tasks.registry import default_registry
from studies import two_samples
from studies.exchangeability import Sample

TASKS = tuple(f"circuits/mechanism{level}" for level in ("", "_2", "_3", "_4"))
MARKERS = ("<!-- tables: written by studies/mechanism_signatures.py -->", "<!-- end of the program's signatures -->")
_PROMPTS = 64


def samples_of(task_id: str) -> list[Sample]:
    """The statistics of all base models of a task, and the nodes of their programs."""
    task = default_registry().planted(task_id)
    from ground_truth.circuits.mechanisms.base import Base

    found = []
    for name, model in frozen_models(task).items():
        base = Base.of(model)
        prompts = base.program.sample(_PROMPTS, torch.Generator().manual_seed(0))
        tables = {str(kind): table for kind, table in node_signatures(base.weights, prompts).items()}
        found.append(Sample(task_id, f"{task_id}/{name}", tables, frozenset(circuit_of(base.correspondence))))
    return found


if __name__ == "__main__":
    two_samples.main(__doc__, TASKS, samples_of, MARKERS)
