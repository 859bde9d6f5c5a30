"""Can computable statistics distinguish models with a rare branch from null twins? A two-sample test.

    python -m studies.branch_twins                       # sixty models of each kind, level 1
    python -m studies.branch_twins --level 2 --models 40

Models and twins are planted from separate seeds. A model's numbers are the mean, the spread and both extremes, over
its nodes, of each statistic of `planting.circuits.signatures`, and the strengths of paths from neuron to neuron to the
logits. Two questions are asked: is any of them larger in one kind, and does a classifier fitted on other models
distinguish the kinds?
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from rich.progress import track
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scribe_suite.planting.circuits.branches.network import build_network
from scribe_suite.planting.circuits.branches.plans import Dial, draw_plan, draw_prompts
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.signatures.table import node_signatures
from scribe_suite.planting.frozen import round_to_half
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.registry import default_registry

_PROMPTS = 64
_FIRST_SEED = 100_000
_FOLDS = 5
_PERMUTATIONS = 500
_CLASSIFIERS: Mapping[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=300)),
    "logistic, 10 best": lambda: make_pipeline(
        StandardScaler(), SelectKBest(f_classif, k=10), LogisticRegression(max_iter=300)
    ),
    "boosted trees": lambda: HistGradientBoostingClassifier(
        max_iter=40, max_depth=3, min_samples_leaf=8, random_state=0
    ),
}


@dataclass(frozen=True)
class Comparison:
    """The result.

    Attributes:
        models: The number of each kind.
        statistics: Number of a model's statistics that vary.
        furthest: The statistic whose AUROC is furthest from a half.
        auroc: Its AUROC.
        p: Frequency with which some statistic is as far from a half under random permutations of the kinds.
        classifiers: AUROC of each classifier, on held-out models.
    """

    models: int
    statistics: int
    furthest: str
    auroc: float
    p: float
    classifiers: dict[str, float]


def compare(dial: Dial, models: int, seed: int = 0) -> Comparison:
    """Compare equally many models of each kind."""
    rows, is_twin = [], np.arange(2 * models) % 2 == 1
    for number in track(range(2 * models), "Planting"):
        drawn = _FIRST_SEED + 10_000 * seed + number
        plan = draw_plan(dial, drawn, is_twin=bool(is_twin[number]))
        weights = round_to_half(build_network(plan, drawn))
        rows.append(numbers_of(weights, drawn))
    names = sorted(set.intersection(*map(set, rows)))
    table = np.nan_to_num(np.array([[row[name] for name in names] for row in rows], dtype=float), posinf=0, neginf=0)
    varying = table.std(0) > 1e-9
    return compared(table[:, varying], [name for name, kept in zip(names, varying, strict=True) if kept], is_twin)


def compared(
    table: Float[np.ndarray, "model statistic"], names: Sequence[str], is_twin: Bool[np.ndarray, " model"]
) -> Comparison:
    """The two-sample test of a table with a row for each model."""
    rng = np.random.default_rng(0)
    ranks = rankdata(table.round(9), axis=0)
    sorts = np.stack([is_twin, *(rng.permutation(is_twin) for _ in range(_PERMUTATIONS))])
    inside = sorts[0].sum()
    aurocs = (sorts @ ranks - inside * (inside + 1) / 2) / (inside * (len(is_twin) - inside))
    far = np.abs(aurocs - 0.5)
    found = int(far[0].argmax())
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    classifiers = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in _CLASSIFIERS.items():
            said = cross_val_predict(make(), table, is_twin, cv=folds, method="predict_proba")[:, 1]
            classifiers[name] = float(roc_auc_score(is_twin, said))
    p = float((1 + (far[1:].max(1) >= far[0, found] - 1e-9).sum()) / (1 + _PERMUTATIONS))
    return Comparison(int(inside), len(names), names[found], float(aurocs[0, found]), p, classifiers)


def numbers_of(weights: ModelWeights, seed: int) -> dict[str, float]:
    """All statistics of one model."""
    shape = PatchableTransformer.from_weights(weights).shape
    prompts = draw_prompts(_PROMPTS, shape.d_vocab, torch.Generator().manual_seed(seed))
    found: dict[str, float] = {}
    for kind, table in node_signatures(weights, prompts).items():
        for column, name in enumerate(table.statistics):
            values = table.values[:, column]
            values = values[np.isfinite(values)]
            if len(values):
                summary = {"mean": values.mean(), "sd": values.std(), "least": values.min(), "most": values.max()}
                found |= {f"{kind}/{name}/{how}": float(value) for how, value in summary.items()}
    return found | _paths(weights)


@torch.no_grad()
def _paths(weights: ModelWeights) -> dict[str, float]:
    """The strongest paths from a neuron of one layer through one of the next to the logits, heads included."""
    net = PatchableTransformer.from_weights(weights)
    own = (net.W_in.norm(dim=1) + 1e-9)[:, :, None] * net.W_out  # the scale of a neuron is arbitrary
    into = net.W_in / (net.W_in.norm(dim=1, keepdim=True) + 1e-9)
    heads = torch.einsum("lhdk,lhke->lde", net.W_V, net.W_O)
    direct = own @ net.W_U
    found: dict[str, float] = {}
    for layer in range(net.shape.n_layers - 1):
        bridge = torch.eye(net.shape.d_model) + heads[layer + 1]
        joined = own[layer] @ bridge @ into[layer + 1]
        reach = joined[:, :, None] * direct[layer + 1][None]
        flat = reach.abs().amax((1, 2)).sort(descending=True).values
        found |= {f"path/{layer}/{place}": float(flat[place]) for place in range(6)}
        through = (joined.relu() @ direct[layer + 1]).abs().amax(1).sort(descending=True).values
        found |= {f"sum of paths/{layer}/{place}": float(through[place]) for place in range(6)}
    return found


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--models", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    default_registry()  # makes ground_truth importable
    from ground_truth.circuits.rare_branches.levels import LEVELS

    print(compare(LEVELS[options.level], options.models))


if __name__ == "__main__":
    main()
