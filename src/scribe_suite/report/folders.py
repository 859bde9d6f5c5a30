"""Makes a report appear atomically: it is written next to its place and moved there when it is complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scribe_suite.errors import ConfigurationError

#: A file that every report has; a folder without it may be someone's work and is never replaced.
MARKER = "scribe-report.json"


def require_replaceable(output: Path) -> None:
    """Refuse a place that contains anything but a report.

    Raises:
        ConfigurationError: When it is a file, or a folder with content and no `MARKER`.
    """
    if not output.exists():
        return
    if not output.is_dir():
        raise ConfigurationError(f"{output} is a file: name a folder for the report.")
    if any(output.iterdir()) and not (output / MARKER).is_file():
        raise ConfigurationError(
            f"{output} contains something that is not a report: name a new folder, or empty this one."
        )


@contextmanager
def replaced_folder(output: Path) -> Iterator[Path]:
    """A new folder to write to; it replaces `output` if the block succeeds, else nothing changes.

    Args:
        output: The folder's final place; `require_replaceable` says what may exist there.

    Yields:
        A folder on the same file system.

    Raises:
        ConfigurationError: When `output` may not be replaced, or can't be written.
    """
    output = output.resolve()
    require_replaceable(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent))
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error.strerror}): name another folder.") from error
    try:
        fresh.chmod(0o777 & ~_umask())  # mkdtemp lets only its owner in
        yield fresh
        require_replaceable(output)  # writing may have taken minutes
        _move(fresh, output)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move(fresh: Path, output: Path) -> None:
    if not output.exists():
        fresh.rename(output)
        return
    # A folder with content can't be replaced in one step: for a moment there is none, but never half of one.
    old = fresh.with_suffix(".old")
    output.rename(old)
    try:
        fresh.rename(output)
    except OSError:
        old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
