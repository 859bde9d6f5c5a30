"""Gives a process the descriptors it is meant to have, at their numbers, and no others. Standard library only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping

#: Above all numbers that a process is handed something at.
_ASIDE = 64
_LAST = 65_536


def keep_only(wanted: Mapping[int, int]) -> None:
    """Put descriptors in their places and close everything else.

    Args:
        wanted: Number in the process -> descriptor now; numbers are below 64. Those from 0 to 2 that are not named
            become the null device.
    """
    aside = {number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, _ASIDE) for number, descriptor in wanted.items()}
    for number in range(3):
        if number not in aside:
            null = os.open("/dev/null", os.O_RDWR)
            aside[number] = fcntl.fcntl(null, fcntl.F_DUPFD, _ASIDE)
            os.close(null)
    for number, descriptor in aside.items():
        os.dup2(descriptor, number)
    for number in range(3, _ASIDE):
        if number not in aside:
            try:
                os.close(number)
            except OSError:
                continue
    os.closerange(_ASIDE, _LAST)
