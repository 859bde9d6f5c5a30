"""Recovers notebooks after their harness was killed: journals are complete, the ``.ipynb`` may lag behind."""

from __future__ import annotations

import fcntl
from pathlib import Path, PurePosixPath

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.document import Document, NotebookFile
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, lock_file, read_events
from scribe_suite.untrusted_files import MAX_DEPTH, UntrustedFileError, UntrustedFolder


def recover_notebooks(folder: Path) -> list[Path]:
    """Rewrite every notebook below a folder whose file differs from its journal.

    A cell that was running when its harness ended is shown as one whose kernel died. Journals are only read. One that
    belongs to a running harness, which holds a lock on it, is skipped.

    Args:
        folder: The folder of an attempt, of a run, or any other. It is searched recursively; links are not followed.

    Returns:
        The notebooks that were written.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` or ``notebook_write``, after everything else has been done.
    """
    with UntrustedFolder(folder) as opened:
        return recover_opened(opened)


def recover_opened(folder: UntrustedFolder) -> list[Path]:
    """Do what `recover_notebooks` does, in a folder that is open."""
    written: list[Path] = []
    problems: list[InfrastructureError] = []
    for journal in map(PurePosixPath, folder.files(f"*{JOURNAL_SUFFIX}", MAX_DEPTH)):
        path = folder.path / journal.with_name(journal.name.removesuffix(JOURNAL_SUFFIX) + ".ipynb")
        try:
            with folder.folder(str(journal.parent)) as place:
                if _recover(place, folder.path / journal, path):
                    written.append(path)
        except InfrastructureError as error:
            problems.append(error)
        except OSError as error:
            problems.append(InfrastructureError("notebook_write", f"{path} can't be written ({error.strerror})."))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InfrastructureError(problems[0].cause, f"{problems[0]}{more}")
    return written


def _recover(place: UntrustedFolder, journal: Path, path: Path) -> bool:
    try:
        opened = place.open(journal.name)
    except UntrustedFileError as error:
        raise InfrastructureError("journal_corrupt", str(error)) from error
    with opened as file:  # keeps the lock: no harness may take the notebook up meanwhile
        if not lock_file(file, fcntl.LOCK_SH):
            return False
        try:
            document = Document.from_events(read_events(file, journal))
        except InfrastructureError as error:
            raise InfrastructureError(error.cause, f"{journal}: {error}") from error
        document.end_unfinished()
        if _is(place, path.name, document.render()):
            return False
        NotebookFile(path, document, folder=place).write()
        return True


def _is(place: UntrustedFolder, name: str, content: bytes) -> bool:
    """Whether a file has this content; unreadable files are rewritten."""
    try:
        return place.read(name, len(content)) == content
    except OSError:
        return False
