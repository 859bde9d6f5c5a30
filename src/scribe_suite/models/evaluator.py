"""The model for the evaluator and measurements: loaded once per process, on the chosen device, without gradients."""

from __future__ import annotations

import json
import warnings
from functools import cache

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from scribe_suite.models.device import Device, current_device
from scribe_suite.models.spec import load, ready

TWIN_SEED = 0


def evaluator_model(spec: str) -> HookedTransformer:
    """The model of a specification; the same object at every call.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`.
    """
    return _model(spec, current_device())


def untrained_model(spec: str, seed: int = TWIN_SEED) -> HookedTransformer:
    """A model of the same shape and tokenizer with initial, untrained weights.

    Random numbers come from `seed` and are drawn on the CPU, so that twins are the same on every device. It takes as
    much memory as the model and is not cached, so it is freed when the caller drops it.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`.
    """
    folder = ready(spec).folder
    config = HookedTransformerConfig(**json.loads((folder / "config.json").read_text()))
    config.device, config.seed, config.init_weights = "cpu", None, True
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", "HookedTransformer is deprecated", DeprecationWarning)
        torch.manual_seed(seed)
        twin = HookedTransformer(config, evaluator_model(spec).tokenizer)
    return _frozen(twin, current_device())


@cache
def _model(spec: str, device: Device) -> HookedTransformer:
    return _frozen(load(spec), device)


def _frozen(model: HookedTransformer, device: Device) -> HookedTransformer:
    model.requires_grad_(False)
    model.eval()
    moved = model.to(device, print_details=False) if device != "cpu" else model
    assert isinstance(moved, HookedTransformer)
    return moved
