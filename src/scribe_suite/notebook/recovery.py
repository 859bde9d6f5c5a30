"""Notebooks of attempts whose harness was killed: their journals hold everything, the ``.ipynb`` may lag behind."""

from __future__ import annotations

import fcntl
from pathlib import Path

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.document import Document, NotebookFile
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, lock_file, read_journal


def recover_notebooks(folder: Path) -> list[Path]:
    """Write every notebook below a folder again whose file is not what its journal says.

    A cell that was running when its harness ended is shown as one whose kernel died. Journals are only read. One that
    belongs to a harness that lives is left alone: it holds a lock on it.

    Args:
        folder: Of an attempt, of a run, or any other; looked through with all that lies below it, links not followed.

    Returns:
        The notebooks that were written.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` or ``notebook_write``, after everything else has been done.
    """
    written: list[Path] = []
    problems: list[InfrastructureError] = []
    for journal in sorted(folder.rglob(f"*{JOURNAL_SUFFIX}")):
        if journal.is_symlink() or not journal.is_file():
            continue
        path = journal.with_name(journal.name.removesuffix(JOURNAL_SUFFIX) + ".ipynb")
        try:
            if _recover(journal, path):
                written.append(path)
        except InfrastructureError as error:
            problems.append(error)
        except OSError as error:
            problems.append(InfrastructureError("notebook_write", f"{path} can't be written ({error.strerror})."))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InfrastructureError(problems[0].cause, f"{problems[0]}{more}")
    return written


def _recover(journal: Path, path: Path) -> bool:
    with journal.open("rb", buffering=0) as file:  # keeps the lock: no harness may take the notebook up meanwhile
        if not lock_file(file, fcntl.LOCK_SH):
            return False
        try:
            document = Document.from_events(read_journal(journal))
        except InfrastructureError as error:
            raise InfrastructureError(error.cause, f"{journal}: {error}") from error
        document.end_unfinished()
        if path.is_file() and path.read_bytes() == document.render():
            return False
        NotebookFile(path, document).write()
        return True
