"""Makes measured truths: runs the steps of a measurement, stores each, then certifies and writes the result."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from scribe_suite.errors import FrozenModelError
from scribe_suite.measurements import store
from scribe_suite.measurements.measurement import Arrays, Context, Measurement
from scribe_suite.measurements.store import MeasuredRecord
from scribe_suite.models.cache import CachedModel
from scribe_suite.models.device import current_device
from scribe_suite.planting.frozen import Certificate
from scribe_suite.progress import ProgressCallback

#: Packages whose versions are recorded.
_VERSIONS = ("torch", "transformer-lens", "numpy", "scikit-learn")
#: Stored with the arrays of a step: its cost.
_SECONDS = "cpu_s"


@dataclass(frozen=True)
class Made:
    """A result that was written.

    Attributes:
        path: Its JSON file.
        cpu_s: CPU seconds of all its steps.
        size: The size of its arrays on disk, in bytes.
    """

    path: Path
    cpu_s: float
    size: int


def make(measurement: Measurement, model: CachedModel, progress: ProgressCallback, *, ship: bool) -> Made:
    """Make and write one result; steps that an interrupted run has stored are not repeated.

    Args:
        measurement: What to measure.
        model: The converted model.
        progress: Called from time to time.
        ship: Write into the checkout.

    Raises:
        FrozenModelError: When its certificate fails; the steps stay stored, and nothing else is written.
    """
    torch.set_num_threads(1)  # sums in another order are other numbers
    spec = model.record.spec
    folder = store.steps_folder(measurement, spec)
    _start(folder, f"{measurement.version} {measurement.inputs_sha256()} {model.identity}")
    results, cpu_s = _results(measurement, spec, folder, progress)
    certificate = Certificate(checks=tuple(measurement.checks(results)))
    if not certificate.passed:
        failures = "; ".join(certificate.failures()) or "it has no checks"
        raise FrozenModelError(f"{measurement.id} is not kept, because its certificate fails: {failures}.")
    payload = store.packed(measurement.kept(results))
    record = MeasuredRecord(
        measurement=measurement.id,
        version=measurement.version,
        model=spec,
        model_sha256=model.identity,
        inputs_sha256=measurement.inputs_sha256(),
        sha256=hashlib.sha256(payload).hexdigest(),
        certificate=certificate,
        made={
            "cpu_s": {name: round(seconds, 1) for name, seconds in cpu_s.items()},
            "device": current_device(),
            "versions": {name: version(name) for name in _VERSIONS},
        },
    )
    target = store.own_folder(measurement) if ship else store.cached_folder(measurement)
    path = store.write(target, record, payload)
    store.forget_steps(folder)
    return Made(path, sum(cpu_s.values()), len(payload))


def _results(
    measurement: Measurement, spec: str, folder: Path, progress: ProgressCallback
) -> tuple[dict[str, Arrays], dict[str, float]]:
    """The arrays of all steps, and the CPU seconds that each took, whether now or in an earlier run."""
    results: dict[str, Arrays] = {}
    cpu_s: dict[str, float] = {}
    steps = measurement.steps()
    for number, step in enumerate(steps):
        kept = store.read_step(folder, step.name)
        if kept is None:
            context = Context(spec, _part(progress, number, len(steps)), dict(results))
            progress(number / len(steps), step.summary)
            before = time.process_time()
            kept = {**step.compute(context), _SECONDS: np.asarray(time.process_time() - before)}
            store.write_step(folder, step.name, kept)
        cpu_s[step.name] = float(kept[_SECONDS])
        results[step.name] = {name: value for name, value in kept.items() if name != _SECONDS}
    progress(1.0, "measured")
    return results, cpu_s


def _part(report: ProgressCallback, number: int, of: int) -> ProgressCallback:
    """Reports the fraction of one step as a fraction of the whole."""
    return lambda done, state: report((number + done) / of, state)


def _start(folder: Path, mark: str) -> None:
    """Remove stored steps that were made from something else."""
    marked = folder / "of.txt"
    if not marked.is_file() or marked.read_text() != mark:
        store.forget_steps(folder)
        folder.mkdir(parents=True)
        marked.write_text(mark)
