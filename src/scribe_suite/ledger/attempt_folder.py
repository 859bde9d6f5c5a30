"""The folder of one attempt: ``runs/<task>_<provider>_<timestamp>/{notebooks,results,outputs}``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.families import family_view
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.untrusted_files import MAX_DEPTH, UntrustedFolder, write_all

#: Folders of an attempt.
PARTS = ("notebooks", "results", "outputs")
#: The file of valid submissions, and the size in bytes above which only the selected ones stay in it.
SUBMISSIONS = "outputs/submissions.jsonl"
MAX_SUBMISSIONS_BYTES = 64 << 20


class AttemptFolder:
    """Paths and files of one attempt; made by `create`.

    Its files are written and listed through a descriptor that is opened before the agent starts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notebooks = path / "notebooks"
        self.results = path / "results"
        self.outputs = path / "outputs"
        self._files: UntrustedFolder

    @classmethod
    def create(cls, results_dir: Path, task_name: str, provider: str, now: datetime) -> AttemptFolder:
        """Make a new folder; attempts that start in the same second get a number behind the timestamp.

        Raises:
            InfrastructureError: When it can't be made.
        """
        stem = f"{task_name}_{_file_name(provider)}_{now:%Y%m%d-%H%M%S}"
        number = 1
        while True:
            folder = cls(results_dir / (stem if number == 1 else f"{stem}-{number}"))
            try:
                folder.path.mkdir(parents=True)
                for part in (folder.notebooks, folder.results, folder.outputs):
                    part.mkdir()
                folder._files = UntrustedFolder(folder.path)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise InfrastructureError(
                    "results_folder", f"The attempt's folder {folder.path} can't be made ({error.strerror})."
                ) from error
            else:
                return folder

    def write_prompt(self, prompt: str) -> None:
        """Store the prompt as the agent got it."""
        self._files.write("outputs/prompt.md", [prompt.encode()])

    def write_answer(self, answer: dict[str, Any], arrays: Mapping[str, bytes] | None = None) -> None:
        """Store the answer that was scored.

        Args:
            answer: With the names of its arrays' files in their places.
            arrays: File name -> content.
        """
        self._write_arrays(arrays or {})
        self._files.write("outputs/answer.json", [json.dumps(answer, indent=1).encode() + b"\n"])

    def add_submission(
        self,
        line: bytes,
        kept: Callable[[], Iterable[bytes]],
        arrays: Mapping[str, bytes] | None = None,
        kept_arrays: Callable[[], Container[str]] = tuple,
    ) -> None:
        """Append a valid submission to the file of all of them.

        Args:
            line: With its line end.
            kept: Returns the whole content to keep, this submission included, when the file would become too large.
            arrays: The arrays of this submission: file name -> content. The same array is written once.
            kept_arrays: Returns the names of the arrays to keep, those of this submission included; the files of others
                are removed, and the lines that name them stay.

        Raises:
            OSError: When it can't be written.
        """
        if arrays:
            self._write_arrays(arrays)
            names = kept_arrays()
            with self._files.folder("outputs/arrays") as folder:
                for name in folder.files():
                    if f"arrays/{name}" not in names:
                        folder.remove(name)
        with self._files.append(SUBMISSIONS) as file:
            if file.seek(0, os.SEEK_END) + len(line) <= MAX_SUBMISSIONS_BYTES:
                write_all(file, line)
                return
        self._files.write(SUBMISSIONS, kept())

    def _write_arrays(self, arrays: Mapping[str, bytes]) -> None:
        for name, content in arrays.items():
            if not self._files.exists(f"outputs/{name}"):
                self._files.make(f"outputs/{name}".rpartition("/")[0]).close()
                self._files.write(f"outputs/{name}", [content])

    def write_results(self, record: AttemptRecord) -> None:
        """Write the family's evaluation file, keyed by task as in the original suite."""
        content = {
            record.task.partition("/")[2]: {
                "provider": record.provider,
                "trial": record.trial,
                "outcome": record.outcome,
                "reason": record.reason,
                "metrics": record.metrics,
                "primary": record.primary,
                "skill": record.skill,
                "chance": record.chance,
                "reference": record.reference,
                "interval": record.interval,
                "flags": record.flags,
            }
        }
        text = json.dumps(content, indent=1, allow_nan=False)
        self._files.write(f"results/{family_view(record.family).result_file}", [text.encode() + b"\n"])

    def open_notebooks(self) -> UntrustedFolder:
        """The folder of the notebooks and their journals, open.

        Raises:
            OSError: When it can't be opened.
        """
        return self._files.folder("notebooks")

    def open_outputs(self) -> UntrustedFolder:
        """The folder with the harness's files about the attempt, open.

        Raises:
            OSError: When it can't be opened.
        """
        return self._files.folder("outputs")

    def artifacts(self) -> tuple[str, ...]:
        """Paths of all files in the folder, relative to it, without links."""
        return tuple(self._files.files(depth=MAX_DEPTH))

    def close(self) -> None:
        """Close the descriptor, when there is nothing more to write."""
        self._files.close()


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)
