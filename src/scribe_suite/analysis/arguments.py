"""Arguments shared by several commands and options, without importing numerical packages."""

from __future__ import annotations

import argparse
import math

COMPARE_FORMATS = ("terminal", "markdown", "csv", "json", "html")
DIFF_FORMAT_NAMES = ("terminal", "markdown", "json")
#: Changes of skill and metrics up to this size are ignored.
DEFAULT_TOLERANCE = 0.05


def tolerance(text: str) -> float:
    """A finite number from 0 on.

    Raises:
        argparse.ArgumentTypeError: When it is not.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a tolerance: give a number from 0 on, such as 0.05.")
    return value
