"""Skills of well-known methods on `saes/dictionary`.

    python -m studies.dictionary_methods                                       # level 1, two fresh instances
    python -m studies.dictionary_methods --tasks saes/dictionary_2 --instances 1
    python -m studies.dictionary_methods --write                               # and into docs/truth/saes.md

All methods are given the samples and what the prompt says: how many features there are, how many are active, and how
large the noise is. `BatchTopK` (Bussmann et al. 2024, arXiv 2412.06410) is trained as sae-lens does by default: tied
start, unit decoder rows, Adam, dead latents revived by an auxiliary loss, the rate falling at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import FastICA
from torch import Tensor

from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.dictionary import match, score_dictionary
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table
from studies.instances import instance_options, measured_instances

FIRST_SEED = 7000
DOCUMENT = "docs/truth/saes.md"
MARKERS = ("<!-- tables: written by studies/dictionary_methods.py -->", "<!-- end of tables -->")
#: Settings of BatchTopK.
_STEPS, _BATCH, _RATE, _DEAD_AFTER, _REVIVED, _FALL = 2000, 1024, 3e-3, 100, 32, 0.3
#: Rounds of refinement, and the samples of each.
_ROUNDS, _PART = 8, 6000
#: Seconds that the reference solution may take.
_PATIENCE_S = 3000.0

Rows = Float[np.ndarray, "row width"]


@dataclass(frozen=True)
class Known:
    """The information given to methods.

    Attributes:
        samples: The samples.
        features: The number of features.
        active: How many are active in a sample.
        noise: Standard deviation of the noise.
        seed: Seed of all random choices.
    """

    samples: Float[Tensor, "sample width"]
    features: int
    active: int
    noise: float
    seed: int

    @property
    def numbers(self) -> Rows:
        """The samples as an array."""
        return self.samples.numpy()

    @cached_property
    def trained(self) -> Rows:
        """The decoder of a BatchTopK autoencoder, which two methods begin with."""
        return batch_topk(self)


def random_rows(known: Known) -> Rows:
    """Random directions."""
    return np.random.default_rng(known.seed).standard_normal((known.features, known.samples.shape[1]))


def samples_as_rows(known: Known) -> Rows:
    """Random samples."""
    chosen = np.random.default_rng(known.seed).choice(len(known.samples), known.features, replace=False)
    return known.numbers[chosen]


def principal(known: Known) -> Rows:
    """Principal components: as many as there are dimensions."""
    return np.asarray(torch.linalg.eigh(torch.cov(known.samples.T)).eigenvectors.T)


def independent(known: Known) -> Rows:
    """Independent components (FastICA): as many as there are dimensions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it need not converge
        mixed = FastICA(max_iter=100, tol=1e-3, random_state=known.seed).fit(known.numbers).mixing_
    return np.asarray(mixed).T


def centres(known: Known) -> Rows:
    """Centres of k-means on samples of unit length."""
    units = known.numbers / np.linalg.norm(known.numbers, axis=1, keepdims=True)
    return np.asarray(MiniBatchKMeans(known.features, n_init=1, random_state=known.seed).fit(units).cluster_centers_)


def batch_topk(known: Known) -> Rows:
    """The decoder of a BatchTopK autoencoder with as many latents as there are features."""
    generator = torch.Generator().manual_seed(known.seed)
    width = known.samples.shape[1]
    decoder = _unit(torch.randn(known.features, width, generator=generator))
    encoder, threshold, centre = decoder.T.clone(), torch.zeros(known.features), known.samples.mean(0)
    parts = [part.requires_grad_() for part in (decoder, encoder, threshold, centre)]
    adam = torch.optim.Adam(parts, lr=_RATE)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: min(1.0, (_STEPS - step) / (_FALL * _STEPS)))
    silent = torch.zeros(known.features)
    for _ in range(_STEPS):
        x = known.samples[torch.randint(len(known.samples), (_BATCH,), generator=generator)]
        before = torch.relu((x - centre) @ encoder + threshold)
        smallest = torch.topk(before.flatten(), known.active * _BATCH).values[-1]
        codes = before * (before >= smallest)
        error = x - codes @ decoder - centre
        loss = error.square().sum(1).mean()
        silent = (silent + 1) * ~(codes > 0).any(0)
        dead = silent > _DEAD_AFTER
        if dead.any():
            count = min(_REVIVED, int(dead.sum()))
            some = torch.topk(before * dead, count, dim=1)
            revived = torch.zeros_like(before).scatter(1, some.indices, some.values)
            loss = loss + (error.detach() - revived @ decoder).square().sum(1).mean() / _REVIVED
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        falling.step()
        with torch.no_grad():
            decoder.copy_(_unit(decoder))
    return decoder.detach().numpy()


def refined_batch_topk(known: Known) -> Rows:
    """BatchTopK, then greedy codes (nonnegative orthogonal matching pursuit) and least squares in turn."""
    rows = torch.from_numpy(known.trained)
    generator = torch.Generator().manual_seed(known.seed)
    for _ in range(_ROUNDS):
        x = known.samples[torch.randperm(len(known.samples), generator=generator)[:_PART]]
        codes = greedy_codes(x, rows, round(1.25 * known.active) + 2, 1.2 * known.noise**2 * x.shape[1])
        counts = (codes.T @ codes).double() + 1e-2 * torch.eye(len(rows), dtype=torch.float64)
        rows = _unit(torch.linalg.solve(counts, (codes.T @ x).double()).float())
    return rows.numpy()


def greedy_codes(
    x: Float[Tensor, "sample width"], rows: Float[Tensor, "row width"], most: int, enough: float
) -> Float[Tensor, "sample row"]:
    """Nonnegative magnitudes of unit rows, found greedily.

    Args:
        x: Samples.
        rows: Directions of unit length.
        most: How many may be active.
        enough: Squared error at which a sample is left as it is.
    """
    gram, fits = rows @ rows.T, x @ rows.T
    codes = torch.zeros_like(fits)
    left, chosen, now = torch.arange(len(x)), torch.empty(len(x), 0, dtype=torch.long), fits.clone()
    for step in range(1, most + 1):
        chosen = torch.cat([chosen, now.argmax(1, keepdim=True)], 1)
        among = gram[chosen[:, :, None], chosen[:, None, :]] + 1e-4 * torch.eye(step)
        found = torch.linalg.solve(among, fits[left].gather(1, chosen)).clamp(min=0)
        rest = x[left] - (found[:, :, None] * rows[chosen]).sum(1)
        done = (rest.square().sum(1) < enough) | (step == most)
        codes[left[done, None], chosen[done]] = found[done]
        left, chosen = left[~done], chosen[~done]
        if not len(left):
            break
        now = (rest[~done] @ rows.T).scatter(1, chosen, -1.0)
    return codes


def _unit(rows: Float[Tensor, "row width"]) -> Float[Tensor, "row width"]:
    units: Float[Tensor, "row width"] = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-9)
    return units


METHODS: Mapping[str, Callable[[Known], Rows]] = {
    "random": random_rows,
    "samples": samples_as_rows,
    "PCA": principal,
    "ICA": independent,
    "k-means": centres,
    "BatchTopK": lambda known: known.trained,
    "BatchTopK, then greedy codes and least squares": refined_batch_topk,
}
CEILING, REFERENCE = "ceiling: least squares on true magnitudes", "reference solution"


def measure_instance(task_id: str, seed: int) -> dict[str, tuple[float, float]]:
    """Method -> skill and mean correlation coefficient on one fresh instance."""
    instance = default_registry()[task_id].instance(seed)
    hidden: Any = instance.hidden
    directions = hidden.features.directions
    samples = torch.from_numpy(hidden.samples.activations)
    facts = instance.public.facts
    known = Known(samples, facts["n_features"], facts["active"], facts["noise"], seed)
    found = {CEILING: hidden.ceiling}
    for name, method in METHODS.items():
        torch.manual_seed(seed)
        found[name] = match(method(known), directions)
    found[REFERENCE] = match(_reference(instance), directions)
    return {name: (score_dictionary(one, hidden.ceiling).skill, one.mcc) for name, one in found.items()}


def _reference(instance: TaskInstance) -> Rows:
    answer: Any = reference_answer(suite_root(), instance, _PATIENCE_S)
    return np.asarray(answer.dictionary.values)


def table(found: Mapping[str, Sequence[Mapping[str, tuple[float, float]]]]) -> str:
    """A row per method: the mean skill over instances, with the mean correlation coefficient behind it."""
    tasks = list(found)
    heading = ["skill (MCC)", *(f"`{task.partition('/')[2]}`" for task in tasks)]
    lines = ["| " + " | ".join(heading) + " |", "|---" + "|--:" * len(tasks) + "|"]
    for method in (CEILING, *METHODS, REFERENCE):
        cells = [f"{mean(r[method][0] for r in found[task]):.2f} ({mean(r[method][1] for r in found[task]):.2f})"
                 for task in tasks]  # fmt: skip
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    counts = ", ".join(str(len(rows)) for rows in found.values())
    return "\n".join([*lines, "", f"Means over fresh instances: {counts}."])


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "level 1", 2)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = options.tasks or ["saes/dictionary"]
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + options.instances))
    text = table(dict(measured_instances(measure_instance, seeds, options.jobs)))
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
