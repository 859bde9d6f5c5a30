"""Seeds on the command line: ``0-5`` or ``0,2,7-9``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from scribe_suite.text import shortened

_LARGEST_SEED = 999_999
_SHOWN_TEXT = 60


def seed_list(text: str) -> list[int]:
    """Read ``0-5`` or ``0,2,7-9``.

    Raises:
        argparse.ArgumentTypeError: When it is neither, or a seed is too large.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("no seed is given: write a seed or a range such as 0-5.")
    seeds: list[int] = []
    for part in text.split(","):
        if not part.strip():
            raise argparse.ArgumentTypeError(f"{_shown(text)} has a comma without a seed on both sides: remove it.")
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None:
            raise argparse.ArgumentTypeError(f"{_shown(part)} is not a seed or a range such as 0-5.")
        first, last = _seed(match[1]), _seed(match[2] or match[1])
        if last < first:
            raise argparse.ArgumentTypeError(f"{_shown(part)} runs backwards: write {last}-{first}.")
        seeds.extend(range(first, last + 1))
    return list(dict.fromkeys(seeds))


def seed_text(seeds: Sequence[int]) -> str:
    """Seeds as `seed_list` reads them, in order: ``0-2,7``."""
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _seed(digits: str) -> int:
    # length first: Python refuses to read a number of thousands of digits
    if len(digits) > len(str(_LARGEST_SEED)):
        raise argparse.ArgumentTypeError(f"{_shown(digits)} is too large: the largest seed is {_LARGEST_SEED}.")
    return int(digits)


def _shown(text: str) -> str:
    return repr(shortened(text, _SHOWN_TEXT))
