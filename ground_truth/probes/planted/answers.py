"""Answers that read the residual stream, as dicts: the examples in prompts, fitted ones, random ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from scribe_suite.scoring.probes import LinearProbe


def reading_facts(config: Mapping[str, Any], n_ctx: int) -> dict[str, int]:
    """The facts that validators of such answers need.

    Args:
        config: The model's config, with ``n_layers`` and ``d_model``.
        n_ctx: Tokens of the shortest statement.
    """
    return {"n_layers": int(config["n_layers"]), "n_ctx": n_ctx, "d_model": int(config["d_model"])}


def example_vector(d_model: int) -> list[float]:
    """Arbitrary numbers."""
    return [round((-1) ** i * (0.1 + 0.05 * (i % 7)), 2) for i in range(d_model)]


def example_probe(d_model: int) -> dict[str, Any]:
    """A valid probe, for the prompt."""
    return {
        "layer": 0,
        "position": "last",
        "confidence": 0.7,
        "summary": "How the probe was found and what supports it.",
        "bias": 0.25,
        "weight": example_vector(d_model),
        "center": [],
    }


def example_direction(d_model: int) -> dict[str, Any]:
    """A valid direction, for the prompt."""
    return {
        "layer": 0,
        "position": "last",
        "direction": example_vector(d_model),
        "confidence": 0.7,
        "summary": "How the direction was found and what supports it.",
    }


def fitted_probe(probe: LinearProbe, layer: int, position: int | str) -> dict[str, Any]:
    """A probe that was fitted on the hidden statements."""
    return {
        "layer": layer,
        "position": position,
        "weight": probe.weight.tolist(),
        "bias": probe.bias,
        "center": probe.center.tolist(),
        "confidence": 1.0,
        "summary": "Fitted on the hidden statements.",
    }


def random_probe(facts: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """A probe with a random direction at a random layer.

    Args:
        facts: The result of `reading_facts`.
        rng: Draws both.
    """
    layer, direction = _random_direction(facts, rng)
    return {
        "layer": layer,
        "position": "last",
        "weight": direction,
        "bias": 0.0,
        "center": [],
        "confidence": 0.5,
        "summary": "A random direction.",
    }


def random_direction(facts: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """A random direction at a random layer; see `random_probe` for the arguments."""
    layer, direction = _random_direction(facts, rng)
    return {
        "layer": layer,
        "position": "last",
        "direction": direction,
        "confidence": 0.5,
        "summary": "A random direction.",
    }


def _random_direction(facts: Mapping[str, Any], rng: random.Random) -> tuple[int, list[float]]:
    return rng.randrange(int(facts["n_layers"])), [rng.gauss(0.0, 1.0) for _ in range(int(facts["d_model"]))]
