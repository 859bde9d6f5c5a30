"""Specifications of models, and how they lead to a usable model: `parse`, `find`, `ready`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scribe_suite.errors import ConfigurationError
from scribe_suite.models import cache
from scribe_suite.models.cache import CachedModel, ModelRecord
from scribe_suite.models.sources.base import ModelSource
from scribe_suite.models.sources.hub import HubModel, PathModel
from scribe_suite.models.sources.package import PackageModel
from scribe_suite.models.sources.planted import PlantedModel
from scribe_suite.sandbox.shared_modules import SharedModule

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer

#: By the part before the colon.
SOURCES: dict[str, type[ModelSource]] = {
    source.kind: source for source in (PackageModel, HubModel, PathModel, PlantedModel)
}
#: The module that kernels import a model from: ``from real_model import model``.
MODULE = "real_model"


def parse(spec: str) -> ModelSource:
    """The source that a specification names.

    Raises:
        ConfigurationError: When it names no source.
    """
    kind, colon, name = spec.partition(":")
    source = SOURCES.get(kind)
    if source is None or not colon or not name.strip():
        forms = ", ".join(f"{known}:..." for known in SOURCES)
        raise ConfigurationError(f"{spec!r} names no model: write one of {forms}; for example package:smollm2.")
    return source(name.strip())


def find(spec: str) -> CachedModel | str:
    """The converted model of a specification, or one sentence that says which command makes it usable.

    Nothing is converted or downloaded, and only sizes are read; `conversion.verify` reads everything.

    Raises:
        ConfigurationError: When the specification names no model.
    """
    source = parse(spec)
    found = cache.read(source.spec)
    if found is None:
        return f"{source.spec} is not ready: run {source.remedy}."
    complaint = complaint_about(found, source)
    return found if complaint is None else f"{source.spec} can't be used, because {complaint}: run {source.remedy}."


def complaint_about(model: CachedModel, source: ModelSource) -> str | None:
    """Why a converted model should be converted again, or None. All checks are cheap; the cheapest come first."""
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: _other_versions(model),
        lambda: (name := model.incomplete()) and f"its file {name} is missing or damaged",
        lambda: _other_origin(model, source),
    )
    return next((complaint for check in checks if (complaint := check())), None)


def _other_versions(model: CachedModel) -> str | None:
    now = cache.makers()
    return next(
        (
            f"it was converted with {name} {old}, and {now.get(name)} is installed"
            for name, old in model.record.versions.items()
            if now.get(name) != old
        ),
        None,
    )


def _other_origin(model: CachedModel, source: ModelSource) -> str | None:
    now = source.origin()
    return None if now in (None, model.record.origin) else "what it was converted from has changed since"


def ready(spec: str) -> CachedModel:
    """The converted model of a specification; the checksums of its files are verified once per process.

    Raises:
        ConfigurationError: With the sentence of `find`, or when a file has changed.
    """
    found = find(spec)
    if isinstance(found, str):
        raise ConfigurationError(found)
    damaged = _damaged(found.folder, found.record.model_dump_json())
    if damaged is not None:
        source = parse(spec)
        raise ConfigurationError(
            f"{source.spec} can't be used, because its file {damaged} is damaged: convert it "
            f"again with `scribe-suite models convert --force {source.spec}`."
        )
    return found


@functools.cache
def _damaged(folder: Path, record: str) -> str | None:
    return CachedModel(folder, ModelRecord.model_validate_json(record)).damaged()


def load(spec: str) -> HookedTransformer:
    """Load the model for the harness, like kernels do, with its weights mapped from the same file.

    Raises:
        ConfigurationError: As `ready`.
    """
    folder = ready(spec).folder
    from scribe_suite.models import kernel_module  # imports torch, which finding a model does not need

    return kernel_module.load(folder)


def kernel_module_of(spec: str) -> SharedModule:
    """The module from which kernels get the model: ``from real_model import model``.

    Raises:
        ConfigurationError: As `ready`.
    """
    source = Path(__file__).with_name("kernel_module.py").read_text()
    return SharedModule(MODULE, source, ready(spec).folder)


#: Public code that gives an agent ``model`` and ``tokenizer``; the start of the set-up cell of tasks on real models.
SETUP_CODE = f"""\
import sys
import torch

sys.path.append(".")  # {MODULE}.py; where kernels are forked it has been imported, and the model loaded, before
import {MODULE}
from {MODULE} import model  # {MODULE}.load({MODULE}.FOLDER) gives a fresh one

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
if device == "cuda":
    model.to(device)
tokenizer = model.tokenizer
"""
