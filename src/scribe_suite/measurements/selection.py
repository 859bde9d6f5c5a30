"""The language model of all real tasks of a process: ``--model``, else `REAL_MODEL`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scribe_suite.measurements import REAL_MODEL


class _Selection:
    """The selection in this process."""

    spec = REAL_MODEL


def select_model(spec: str | None) -> None:
    """Select the model of all real tasks of this process.

    Args:
        spec: Its specification, such as ``hub:gpt2``; None for `REAL_MODEL`.

    Raises:
        ConfigurationError: When the specification names no model. Whether the model is converted, and whether truths
            were measured on it, is decided by each task's `Task.unavailable`.
    """
    if spec not in (None, REAL_MODEL):
        from scribe_suite.models.spec import parse  # imports torch: not for runs on the default model

        spec = parse(spec).spec
    _Selection.spec = spec or REAL_MODEL


def selected_model() -> str:
    """The specification of the selected model."""
    return _Selection.spec


@contextmanager
def selecting(spec: str | None) -> Iterator[None]:
    """Select a model temporarily, see `select_model`."""
    before = _Selection.spec
    select_model(spec)
    try:
        yield
    finally:
        _Selection.spec = before
