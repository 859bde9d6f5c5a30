"""The model as the evaluator and measurements use it: once per process, on the device in force, without gradients."""

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
    """A model of the same shape and tokenizer whose weights were drawn as for training and never trained.

    Random numbers come from `seed`, on the CPU whatever the device, so that twins are the same everywhere. As long as
    it is not garbage it takes as much memory as the model, and nobody keeps it but the caller.

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
