"""Repeats planting until a certificate holds."""

from __future__ import annotations

import time
from collections.abc import Callable

from scribe_suite.planting.circuits.plant_circuit import PlantedWeights
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

#: How many initial weights are tried for a seed.
ATTEMPTS = 3


def until_certified(
    make: Callable[[int, ProgressCallback], ModelWeights],
    seed: int,
    certify: Callable[[ModelWeights], Certificate],
    progress: ProgressCallback,
    training: float,
) -> PlantedWeights:
    """Make weights until a certificate holds, at most `ATTEMPTS` times.

    Args:
        make: Makes weights from the seed of an attempt and reports progress; they are rounded to half precision here.
        seed: One seed for all attempts; each derives its own from it.
        certify: Measures everything that is claimed; nothing is trained on it.
        progress: Called during training.
        training: Share of the work that `make` is; the rest is certifying.

    Returns:
        The first attempt that is certified, else the last one with its failing certificate.
    """
    started = time.process_time()
    failures: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):

        def report(done: float, state: str, number: int = attempt) -> None:
            progress(training * done, f"attempt {number}, {state}")

        weights = round_to_half(make(derive_seed(seed, "attempt", attempt), report))
        report(1.0, "made; certifying")
        certificate = certify(weights)
        if certificate.passed:
            break
        failures.append("; ".join(certificate.failures()))
    return PlantedWeights(weights, certificate, tuple(failures), time.process_time() - started)
