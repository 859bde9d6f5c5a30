"""The software of a kernel: Python and the field's packages, in their installed versions.

In every arm, kernels run the harness's Python with the same packages, so an agent finds what is installed here. Prompts
name these versions, and the lock of a run records them.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

#: The name by which an agent knows a package -> the distribution that it is installed from.
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
