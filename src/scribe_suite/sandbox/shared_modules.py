"""Modules that all kernels share: imported once by the fork-server, with the large data they read.

Where there is a fork-server its kernels find the module imported, and its data in memory that they have in common.
Everywhere else, and for whoever wants to read it, the module lies as a file in the kernel's working folder.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.errors import ConfigurationError

#: Global name under which a module finds the path of its folder.
FOLDER_NAME = "FOLDER"


@dataclass(frozen=True)
class SharedModule:
    """A Python module with a folder of data.

    Attributes:
        name: What kernels import it as.
        source: Its text; when it runs, `FOLDER_NAME` is the path of `folder` as the kernel sees it.
        folder: Host folder that it reads. Kernels see all of it, read-only, and nothing beside it.

    Raises:
        ConfigurationError: When the name is no module name.
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
