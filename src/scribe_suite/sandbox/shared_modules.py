"""Modules that all kernels share: imported once by the fork-server, with their large data.

With a fork-server, the module is already imported in kernels, and its data are in shared memory. Otherwise, and for
reading, the module is a file in the kernel's working folder.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.errors import ConfigurationError

#: Global variable of a module with the path of its folder.
FOLDER_NAME = "FOLDER"


@dataclass(frozen=True)
class SharedModule:
    """A Python module with a folder of data.

    Attributes:
        name: The name under which kernels import it.
        source: Its source; when it runs, `FOLDER_NAME` is the path of `folder` as the kernel sees it.
        folder: Host folder that it reads. Kernels see all of it, read-only, and nothing next to it.

    Raises:
        ConfigurationError: When the name is not a module name.
    """

    name: str
    source: str
    folder: Path

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise ConfigurationError(f"{self.name!r} can't be imported: give the shared module a Python name.")

    def file(self, seen_folder: str) -> tuple[str, bytes]:
        """Name and content of the module as a file.

        Args:
            seen_folder: Where the kernel sees `folder`.
        """
        return f"{self.name}.py", f"{FOLDER_NAME} = {seen_folder!r}\n{self.source}".encode()
