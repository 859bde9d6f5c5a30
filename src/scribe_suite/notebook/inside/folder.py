"""The working folder of a kernel is where Python looks for modules, as in every notebook, but not before it is told.

While the kernel starts, and in its set-up cell, a file there that has the name of a module would be taken for it: who
wrote one would decide whether the kernel comes up again.
"""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from typing import Any

#: What in a request says that the folder is the user's by now.
ON_PATH = "scribe_work_on_path"


def add_to_path() -> None:
    """Put the working folder behind the standard library and before everything that is installed, as IPython does."""
    if "" not in sys.path:
        names = [PurePath(place).name for place in sys.path]
        installed = [names.index(name) for name in ("site-packages", "dist-packages") if name in names]
        sys.path.insert(min(installed, default=0), "")


def install(kernel: Any, _given: object) -> None:
    """Have the first request that says so put the working folder on the path.

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
