"""Gives a process exactly its intended descriptors, at their numbers. Standard library only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping

#: Larger than all numbers at which a process gets descriptors.
_ASIDE = 64
_LAST = 65_536


def keep_only(wanted: Mapping[int, int]) -> None:
    """Move descriptors to their numbers and close all others.

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
