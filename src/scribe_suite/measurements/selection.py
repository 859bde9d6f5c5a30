"""The language model that all real tasks of a process are about: ``--model``, else `REAL_MODEL`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scribe_suite.measurements import REAL_MODEL


class _Selection:
    """What is selected in this process."""

    spec = REAL_MODEL


def select_model(spec: str | None) -> None:
    """Make all real tasks of this process be about a model.

    Args:
        spec: Its specification, such as ``hub:gpt2``; None for `REAL_MODEL`.

    Raises:
        ConfigurationError: When the specification names no model. Whether the model is converted, and truths were
            measured on it, is for `Task.unavailable` of each task to say.
    """
    if spec not in (None, REAL_MODEL):
        from scribe_suite.models.spec import parse  # imports torch: not for runs on the default model

        spec = parse(spec).spec
    _Selection.spec = spec or REAL_MODEL


def selected_model() -> str:
    """The specification of the model in force."""
    return _Selection.spec


@contextmanager
def selecting(spec: str | None) -> Iterator[None]:
    """Select a model for a while, see `select_model`."""
    before = _Selection.spec
    select_model(spec)
    try:
        yield
    finally:
        _Selection.spec = before
