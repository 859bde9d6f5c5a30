"""Converts models into the cache, and verifies converted ones: the two actions of `scribe-suite models`."""

from __future__ import annotations

import time
from pathlib import Path

from safetensors import SafetensorError

from scribe_suite.errors import ConfigurationError
from scribe_suite.models import cache, kernel_module
from scribe_suite.models.cache import CachedModel, ModelRecord
from scribe_suite.models.check import BAR, ConversionCheck, compare, token_sequences
from scribe_suite.models.hooked_conversion import write_folder
from scribe_suite.models.sources.base import Loaded, ModelSource, served
from scribe_suite.progress import ProgressCallback


def convert(source: ModelSource, progress: ProgressCallback) -> CachedModel:
    """Convert a model, check it against the original, and put it into the cache, replacing an earlier conversion.

    The check uses the model as read back from the folder. An interrupted conversion leaves nothing that could be
    mistaken for a model.

    Raises:
        ConfigurationError: When another process is converting it, the source can't be read, or the check fails; the
            cache is then unchanged.
    """
    with cache.locked(source.spec):
        begun = time.process_time()
        progress(0.0, "reading the original")
        loaded = source.load()
        progress(0.6, "writing weights")
        try:
            folder = cache.new_folder(source.spec)
            write_folder(loaded.hooked, loaded.tokenizer, folder)
        except (OSError, SafetensorError) as error:  # no room, for example
            raise cache.unwritable(error) from error
        progress(0.7, "comparing log-probabilities")
        comparison = _compared(loaded, folder)
        if not comparison.passed:
            raise ConfigurationError(
                f"{source.spec} is not converted, because TransformerLens computes something else than the original "
                f"(largest |Δ log p| {comparison.difference:.2g}, allowed are {BAR:g}): choose another model."
            )
        progress(0.9, "computing checksums")
        digests, sizes = cache.describe_files(folder)
        record = ModelRecord(
            spec=source.spec,
            origin=source.origin() or {},
            versions=cache.makers(),
            sha256=dict(digests),
            sizes=dict(sizes),
            log_p_difference=comparison.difference,
            nll=comparison.nll,
            parameters=sum(value.numel() for value in loaded.hooked.parameters()),
            seconds=round(time.process_time() - begun, 1),
        )
        return cache.publish(folder, record)


def verify(model: CachedModel, source: ModelSource, progress: ProgressCallback) -> ConversionCheck:
    """Recompute the checksums of a converted model, and compare it with the original again.

    Raises:
        ConfigurationError: When a file is damaged, the difference is too large, or the source can't be read.
    """
    again = f"convert it again with `scribe-suite models convert --force {source.spec}`."
    progress(0.0, "computing checksums")
    damaged = model.damaged()
    if damaged is not None:
        raise ConfigurationError(f"{model.folder / damaged} is not what was converted: {again}")
    progress(0.1, "reading the original")
    loaded = source.load()
    progress(0.7, "comparing log-probabilities")
    comparison = _compared(loaded, model.folder)
    if not comparison.passed:
        raise ConfigurationError(
            f"{source.spec} computes something else than the original (largest |Δ log p| {comparison.difference:.2g}, "
            f"allowed are {BAR:g}): {again}"
        )
    return comparison


def _compared(loaded: Loaded, folder: Path) -> ConversionCheck:
    model = kernel_module.load(folder)
    sequences = token_sequences(loaded.tokenizer, model.cfg.d_vocab, model.cfg.n_ctx)
    return compare(loaded.original, served(model), sequences)
