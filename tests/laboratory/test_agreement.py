"""What the desk lets through, the model process takes: else an agent would be charged and given back for nothing.

The process checks everything again. Two refusals are its alone: paths that overlap, and directions that are none.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load

from scribe_suite.laboratory.experiments import Experiment, ExperimentReader
from scribe_suite.laboratory.inside.refusal import RefusedError as ProcessRefusedError
from scribe_suite.laboratory.inside.runs import parse_runs
from scribe_suite.laboratory.inside.wanted import parse_wanted
from scribe_suite.laboratory.recipes import Recipe, run_message
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import RunRequest, understood
from scribe_suite.laboratory.runs import Runs
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.terms import Terms

from .small_models import CONFIGS, loaded

KINDS = ("interchange", "zero", "mean", "add", "set", "subspace", "path")
SITES = (
    "embed", "embed@-1", "resid_pre.0", "resid_mid.1@2", "resid_post.2", "a0.h1", "a2.h3@-3", "m0", "m1@1", "m5",
    "q.1.2", "k.2.1", "v.0.3@0", "z.1.0", "pattern.1.1", "neurons.0", "L1.N5", "L2.N15@-2", "L0.N99",
)  # fmt: skip
FIELDS: dict[str, list[Any]] = {
    "run": ["r1", "r2", "r3"],
    "prompt": [None, 0, 2, [0, 1, 2], [9], 5],
    "vector": ["v"],
    "Q": ["v"],
    "to": ["logits", "m1", "q.1.0", "k.2.1", "v.0.0", "m0"],
}
OF_KIND = {
    "interchange": ("run", "prompt"), "zero": (), "mean": ("run",), "add": ("vector",), "set": ("vector",),
    "subspace": ("Q", "run", "prompt"), "path": ("to", "run", "prompt"),
}  # fmt: skip


def drawn(draw: random.Random, width: dict[str, int]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A request at random that is mostly possible."""
    patches, tensors = [], {}
    for _ in range(draw.randint(0, 2)):
        kind = draw.choice(KINDS)
        patches.append(
            {"kind": kind, "site": draw.choice(SITES)} | {key: draw.choice(FIELDS[key]) for key in OF_KIND[kind]}
        )
        if "vector" in OF_KIND[kind] or "Q" in OF_KIND[kind]:
            size = draw.choice([*width.values(), 1])
            shape = (size, 2) if kind == "subspace" else draw.choice([(size,), (3, size), (3, 6, size)])
            tensors["v"] = np.random.default_rng(draw.randint(0, 99)).standard_normal(shape)
    fields: dict[str, Any] = {
        "patch": patches,
        "read": draw.sample(SITES, draw.randint(0, 2)),
        "outputs": draw.choice(["last", "all", [0], [-1, 2], [5], [-7]]),
        "labels": draw.choice([None, None, [1], [0, 6], [7]]),
    }
    if draw.random() < 0.3:
        labels = draw.choice([3, [0, 1, 2], [1]])
        fields["grad"] = {"of": {"labels": labels, "minus": draw.choice([None, 2])}, "at": [draw.choice(SITES)]}
    return fields, tensors


def process_takes(experiment: Experiment, runs: Runs, kind: str) -> None:
    header, data = run_message("model", runs.recipes(experiment.needs, experiment.recipe), experiment.wanted)
    sizes = loaded(kind).sizes
    parsed = parse_runs(header["recipes"], load(data), sizes)
    parse_wanted(header["wanted"], parsed[-1], sizes)


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_what_the_desk_takes_the_process_takes(kind):
    shape = ModelShape.of_sizes(loaded(kind).sizes.as_message(), "token" if kind == "grouped" else "prompt")
    runs, generator = Runs(), np.random.default_rng(0)
    lengths = np.array([6, 4, 5]) if shape.unit == "token" else None
    for number, (n_prompts, n_positions) in enumerate([(3, 6), (1, 6), (3, 4)]):
        tokens = generator.integers(0, shape.d_vocab, (n_prompts, n_positions))
        runs.add(f"key {number}", Recipe("", tokens), ())
    reader = ExperimentReader(shape, Terms(budget=1000), runs, b"s")
    width = {"model": shape.d_model, "head": shape.d_head, "mlp": shape.d_mlp or shape.d_model}
    taken = 0
    for seed in range(1500):
        draw = random.Random(seed)
        fields, tensors = drawn(draw, width)
        tensors["tokens"] = generator.integers(0, shape.d_vocab, (3, 6))
        if lengths is not None and draw.random() < 0.5:
            tensors["lengths"] = lengths
        try:
            experiment = reader.experiment(understood(RunRequest, fields), reader.prompts(tensors), tensors)
        except RefusedError:
            continue
        try:
            process_takes(experiment, runs, kind)
        except ProcessRefusedError as refusal:
            if "of which it is a part" not in str(refusal):
                raise AssertionError((fields, str(refusal))) from refusal
        taken += 1
    assert 100 < taken < 1400
