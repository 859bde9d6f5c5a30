"""Makes measured truths: runs the steps of measurements, keeps each, certifies and writes the result."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from scribe_suite.measurements import store
from scribe_suite.measurements.measurement import Arrays, Context, Measurement
from scribe_suite.measurements.store import MeasuredRecord
from scribe_suite.models.cache import CachedModel
from scribe_suite.models.device import current_device
from scribe_suite.models.evaluator import model_identity
from scribe_suite.planting.frozen import Certificate
from scribe_suite.progress import ProgressCallback, progress_bars, reporter

EXIT_NOT_CERTIFIED = 1
EXIT_INTERRUPTED = 130
_VERSIONS = ("torch", "transformer-lens", "numpy", "scikit-learn")
#: Kept with the arrays of a step: what it cost.
_SECONDS = "cpu_s"


def measure(
    measurements: Sequence[Measurement], model: CachedModel, console: Console, *, force: bool, ship: bool
) -> int:
    """Make results one after another.

    Args:
        measurements: What to measure.
        model: The converted model.
        console: For progress and messages.
        force: Measure what is there already, and steps that are kept, again.
        ship: Write into the checkout.

    Returns:
        0; 1 when a certificate failed (nothing is written for it); 130 when the user interrupted it.
    """
    torch.set_num_threads(1)  # sums in another order are other numbers
    spec = model.record.spec
    failed = []
    for number, measurement in enumerate(measurements):
        if force:
            store.forget_steps(store.steps_folder(measurement, spec))
        elif not isinstance(store.find_measured(measurement, spec), str):
            console.print(f"{measurement.id} is measured already", markup=False, highlight=False)
            continue
        try:
            written = _measure(measurement, model, console, ship=ship)
        except KeyboardInterrupt:
            left = " ".join(one.id for one in measurements[number:])
            further = f"--model {spec}" + (" --ship" if ship else "")
            console.print(
                f"Interrupted; finished steps are kept. Go on with: scribe-suite measure {left} {further}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
            return EXIT_INTERRUPTED
        if written is not None:
            failed.append(measurement.id)
            console.print(written, markup=False, highlight=False, soft_wrap=True)
    return EXIT_NOT_CERTIFIED if failed else 0


def _measure(measurement: Measurement, model: CachedModel, console: Console, *, ship: bool) -> str | None:
    """Make and write one result; why it was not written, or None."""
    spec = model.record.spec
    folder = store.steps_folder(measurement, spec)
    mark = f"{measurement.version} {measurement.inputs_sha256()} {model_identity(model)}"
    _start(folder, mark)
    cpu_s: dict[str, float] = {}
    results: dict[str, Arrays] = {}
    steps = measurement.steps()
    with progress_bars(console) as progress:
        bar = progress.add_task(measurement.id, total=1.0, state="")
        report = reporter(progress, bar, console)
        for number, step in enumerate(steps):
            kept = store.read_step(folder, step.name)
            if kept is None:
                context = Context(spec, _part(report, number, len(steps)), dict(results))
                report(number / len(steps), step.summary)
                before = time.process_time()
                kept = {**step.compute(context), _SECONDS: np.asarray(time.process_time() - before)}
                store.write_step(folder, step.name, kept)
            cpu_s[step.name] = float(kept[_SECONDS])
            results[step.name] = {name: value for name, value in kept.items() if name != _SECONDS}
        report(1.0, "measured")
    certificate = Certificate(checks=tuple(measurement.checks(results)))
    if not certificate.passed:
        failures = "; ".join(certificate.failures()) or "it has no checks"
        return f"{measurement.id} is not kept, because its certificate fails: {failures}."
    payload = store.packed(measurement.kept(results))
    record = MeasuredRecord(
        measurement=measurement.id,
        version=measurement.version,
        model=spec,
        model_sha256=model_identity(model),
        inputs_sha256=measurement.inputs_sha256(),
        sha256=hashlib.sha256(payload).hexdigest(),
        certificate=certificate,
        made={
            "cpu_s": {name: round(seconds, 1) for name, seconds in cpu_s.items()},
            "device": current_device(),
            "versions": {name: version(name) for name in _VERSIONS},
        },
    )
    target = store.shipped_folder(measurement) if ship else store.cached_folder(measurement)
    path = store.write(target, record, payload)
    store.forget_steps(folder)
    console.print(
        f"{measurement.id}: {sum(cpu_s.values()) / 60:.1f} CPU min, {len(payload) / 1e6:.2f} MB, {path}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    return None


def _part(report: ProgressCallback, number: int, of: int) -> ProgressCallback:
    """Reports the fraction of one step as a fraction of all."""
    return lambda done, state: report((number + done) / of, state)


def _start(folder: Path, mark: str) -> None:
    """Forget steps that were made from something else."""
    marked = folder / "of.txt"
    if not marked.is_file() or marked.read_text() != mark:
        store.forget_steps(folder)
        folder.mkdir(parents=True)
        marked.write_text(mark)
