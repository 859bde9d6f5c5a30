"""Can invariant statistics distinguish nodes that run a program from the others of their model?

    python -m studies.mechanism_signatures --tasks circuits/mechanism_3

For each statistic of `planting.circuits.signatures` and each kind of node, the study measures the frequency with which
a node of the program has a larger value than another node of the same model, averaged over base models. 0.5 is no
information. `circuits/mechanism` does not ask which nodes matter, so there is no bar. Its laboratories provide no
weights; they provide activations, with noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
import torch
from scipy.stats import rankdata

from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.signatures.table import GROUPS, node_signatures
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.tasks.registry import default_registry

_PROMPTS = 64
#: Number of printed statistics per group and kind.
_NAMED = 3


def told_apart(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """For each statistic, the probability that a node of the program has the larger value (AUROC).

    Args:
        values: Array of shape (node, statistic); non-finite values are replaced by the median of the finite ones, and
            a statistic without any carries no information.
        inside: Mask of the program's nodes.
    """
    filled = np.where(np.isfinite(values), values, np.nan)
    filled[:, np.isnan(filled).all(0)] = 0.0
    ranks = rankdata(np.where(np.isnan(filled), np.nanmedian(filled, axis=0, keepdims=True), filled), axis=0)
    count, rest = int(inside.sum()), int((~inside).sum())
    auroc: np.ndarray = (ranks[inside].sum(0) - count * (count + 1) / 2) / (count * rest)
    return auroc


def measured(task_id: str) -> Mapping[tuple[str, str, str], float]:
    """(Group, kind, statistic) -> AUROC, the mean over all base models of a task."""
    from ground_truth.circuits.mechanisms.base import Base

    found: dict[tuple[str, str, str], list[float]] = {}
    for model in frozen_models(default_registry().planted(task_id)).values():
        base = Base.of(model)
        circuit = circuit_of(base.correspondence)
        prompts = base.program.sample(_PROMPTS, torch.Generator().manual_seed(0))
        for kind, table in node_signatures(base.weights, prompts).items():
            inside = np.array([node in circuit for node in table.nodes])
            if inside.any() and not inside.all():
                rows = zip(table.groups, table.statistics, told_apart(table.values, inside), strict=True)
                for group, name, auroc in rows:
                    found.setdefault((group, str(kind), name), []).append(float(auroc))
    return {key: float(np.mean(values)) for key, values in found.items()}


def main() -> None:
    """Measure, and print the statistics that distinguish best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", nargs="+", default=["circuits/mechanism_3", "circuits/mechanism_4"])
    torch.set_num_threads(1)
    for task_id in parser.parse_args().tasks:
        found = measured(task_id)
        for group in GROUPS:
            for kind in sorted({key[1] for key in found}):
                own = {name: auroc for (one, other, name), auroc in found.items() if (one, other) == (group, kind)}
                named = sorted(own, key=lambda name: -abs(own[name] - 0.5))[:_NAMED]
                told = ", ".join(f"{name} {own[name]:.2f}" for name in named)
                print(f"{task_id}: {group} of {kind}: {len(own)} statistics, farthest from 0.5: {told}")


if __name__ == "__main__":
    main()
