"""Other tools' own libraries, which write their formats; they are large, and none is needed for anything else."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from scribe_suite.errors import ConfigurationError

#: Top module of a library -> the extra that installs it, and the oldest Python that it runs on.
_EXTRAS = {"inspect_ai": ("inspect", (3, 11)), "harbor": ("harbor", (3, 12))}


def library(module: str) -> ModuleType:
    """Import a module of another tool.

    Args:
        module: Its full name.

    Raises:
        ConfigurationError: When it is not installed; the message says how to install it.
    """
    top = module.partition(".")[0]
    extra, oldest = _EXTRAS[top]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != top:
            raise ConfigurationError(f"{top} is installed, but {error.name} is not, which it needs.") from error
        version = ".".join(map(str, oldest))
        python = f", under Python {version} or newer" if sys.version_info < oldest else ""
        raise ConfigurationError(
            f"{top} is not installed, which writes this format: pip install 'scribe-suite[{extra}]'{python}."
        ) from error
