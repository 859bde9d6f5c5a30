"""Puts the working folder of a kernel on Python's path, as in every notebook, but not before it is told to.

During the kernel's start and its set-up cell, a file there with the name of a module would be imported instead of it,
and could keep the kernel from starting again.
"""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from typing import Any

#: The mark of a request after which the folder belongs to the user.
ON_PATH = "scribe_work_on_path"


def add_to_path() -> None:
    """Put the working folder after the standard library and before installed packages, as IPython does."""
    if "" not in sys.path:
        names = [PurePath(place).name for place in sys.path]
        installed = [names.index(name) for name in ("site-packages", "dist-packages") if name in names]
        sys.path.insert(min(installed, default=0), "")


def install(kernel: Any, _given: object) -> None:
    """Make the first marked request put the working folder on the path.

    Args:
        kernel: The IPython kernel.
    """
    os.environ.pop("PYTHONSAFEPATH", None)  # this process has started; those that it starts are ordinary ones
    events = kernel.shell.events

    def look() -> None:
        if kernel.get_parent().get("content", {}).get(ON_PATH) is True:
            add_to_path()
            events.unregister("pre_execute", look)

    events.register("pre_execute", look)
