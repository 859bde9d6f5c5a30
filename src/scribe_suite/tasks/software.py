"""The software of a kernel: Python and the packages of the field, in the installed versions.

Kernels run the Python that the harness runs, with the same packages, in every arm; so what is installed here is what an
agent finds. Prompts name it, and the lock of a run has it.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

#: What an agent knows a package as -> the distribution that it is installed from.
PACKAGES: Mapping[str, str] = {
    "torch": "torch",
    "TransformerLens": "transformer_lens",
    "numpy": "numpy",
    "scikit-learn": "scikit-learn",
    "scipy": "scipy",
}


@cache
def kernel_software() -> tuple[str, ...]:
    """Names and versions, such as ``numpy 2.4.6``; Python is the first."""
    installed = (f"{name} {version(distribution)}" for name, distribution in PACKAGES.items())
    return (f"Python {platform.python_version()}", *installed)
