"""Validating parsers of option values.

They return only builtins, because xdist sends option values to its workers. A bad value is a usage error before
anything runs.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.plugin.option.shards import Shard
from scribe_suite.providers.registry import parse_specs, provider_names

_T = TypeVar("_T", int, float)


def provider_list(text: str) -> str:
    """A comma list of known providers, returned as given."""
    try:
        parse_specs([text])
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def trial_count(text: str) -> int:
    """A whole number from 1 on."""
    value = _number(text, int, "whole number")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too few: every task is tried at least once, give 1 or more.")
    return value


def positive_count(text: str) -> int:
    """A whole number from 1 on."""
    value = _number(text, int, "whole number")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too few: give 1 or more, or leave the option out.")
    return value


def dollars(text: str) -> float:
    """A positive, finite amount."""
    value = _number(text, float, "number")
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a limit: give an amount above 0, or leave the option out.")
    return value


def concurrency(text: str) -> str:
    """A comma list of ``PROVIDER=N``, returned as given."""
    read_concurrency(text)
    return text


def seconds(text: str) -> float:
    """A positive, finite number of seconds."""
    value = _number(text, float, "number")
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds.")
    return value


def pass_mark(text: str) -> float:
    """A skill between -1 and 1."""
    value = _number(text, float, "number")
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a skill: give a number between -1 and 1 (1 is the reference)."
        )
    return value


def instance_seed(text: str) -> str:
    """``fresh`` or a whole number from 0 on, returned as given."""
    if text != "fresh" and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: give 'fresh' or a whole number from 0 on.")
    return text


def shard(text: str) -> str:
    """``K/N``, returned as given."""
    try:
        Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def arm_choice(text: str) -> str:
    """``all``, an arm or a list of arms, returned in one order."""
    try:
        return str(ArmChoice.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def level_choice(text: str) -> str:
    """``all``, or a list of numbers and ``headroom``, returned in one order."""
    try:
        return str(LevelChoice.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def model_spec(text: str) -> str:
    """A specification of a model, returned as given; whether the model exists is checked when it is selected."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the model is empty: give a specification such as package:smollm2.")
    return text


def read_concurrency(text: str) -> dict[str, int]:
    """Provider -> number, from a comma list of ``PROVIDER=N``.

    Raises:
        argparse.ArgumentTypeError: When it is not such a list.
    """
    places = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form PROVIDER=N, as in claude=2.")
        if name not in provider_names():
            raise argparse.ArgumentTypeError(f"{name!r} is not a provider: choose from {', '.join(provider_names())}.")
        places[name] = _number(number, int, "whole number")
        if places[name] < 1:
            raise argparse.ArgumentTypeError(f"{part!r} lets none run: give 1 or more.")
    return places


def _number(text: str, kind: Callable[[str], _T], called: str) -> _T:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a {called}.") from None
