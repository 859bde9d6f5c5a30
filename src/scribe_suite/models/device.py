"""The device on which real language models run: one decision for a process and its children, made by ``--device``."""

from __future__ import annotations

import os
from typing import Literal

from scribe_suite.errors import ConfigurationError

DEVICE_VARIABLE = "SCRIBE_SUITE_DEVICE"
DEVICES = ("auto", "cpu", "cuda")
Device = Literal["cpu", "cuda"]


def choose_device(wanted: str) -> Device:
    """Choose the device for this process and those it starts.

    Args:
        wanted: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.

    Raises:
        ConfigurationError: When it is none of these, or a GPU is requested and there is none.
    """
    if wanted not in DEVICES:
        raise ConfigurationError(f"{wanted!r} is not a device: choose from {', '.join(DEVICES)}.")
    if wanted == "cuda" and not _gpu():
        raise ConfigurationError(
            "--device cuda needs a GPU that PyTorch can use, and there is none: take --device cpu, or install a "
            "PyTorch with CUDA."
        )
    device: Device = "cuda" if wanted == "cuda" or (wanted == "auto" and _gpu()) else "cpu"
    os.environ[DEVICE_VARIABLE] = device
    return device


def current_device() -> Device:
    """The chosen device; that of ``auto`` if none was chosen."""
    named = os.environ.get(DEVICE_VARIABLE, "")
    return "cuda" if named == "cuda" else "cpu" if named == "cpu" else choose_device("auto")


def _gpu() -> bool:
    # asks the driver's library, not the runtime: a process that has used CUDA can't fork workers that use it
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch  # the command line's help needs the names above and no torch

    return torch.cuda.is_available()
