"""The folder of one attempt: ``runs/<task>_<provider>_<timestamp>/{notebooks,results,outputs}``."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.results.families import family_view
from scribe_suite.results.records import AttemptRecord


class AttemptFolder:
    """Paths and files of one attempt; made by `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notebooks = path / "notebooks"
        self.results = path / "results"
        self.outputs = path / "outputs"

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
            except FileExistsError:
                number += 1
            except OSError as error:
                raise InfrastructureError(
                    "results_folder", f"The attempt's folder {folder.path} can't be made ({error.strerror})."
                ) from error
            else:
                return folder

    def write_prompt(self, prompt: str) -> None:
        """Keep the prompt as the agent got it."""
        (self.outputs / "prompt.md").write_text(prompt)

    def write_answer(self, answer: dict[str, Any]) -> None:
        """Keep the answer that was scored."""
        (self.outputs / "answer.json").write_text(json.dumps(answer, indent=1) + "\n")

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
        path = self.results / family_view(record.family).result_file
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")

    def artifacts(self) -> tuple[str, ...]:
        """Paths of every file in the folder, relative to it."""
        return tuple(str(path.relative_to(self.path)) for path in sorted(self.path.rglob("*")) if path.is_file())


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)
