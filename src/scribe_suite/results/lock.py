"""What defines a run: versions and hashes of everything that can change its numbers."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scribe_suite.tasks.prompts import prompt_sha256
from scribe_suite.tasks.solutions import solution_text
from scribe_suite.tasks.task import Task

PACKAGES = (
    "scribe-suite", "torch", "transformer_lens", "numpy", "scikit-learn", "scipy", "ipykernel", "jupyter_client",
    "nbformat", "mcp", "pydantic", "pytest", "pytest-xdist", "safetensors",
)  # fmt: skip


def lock(root: Path, tasks: Iterable[Task]) -> dict[str, Any]:
    """Everything that must be equal for two runs to be comparable, JSON-safe.

    Args:
        root: The checkout.
        tasks: The tasks of the run.

    Raises:
        ConfigurationError: When a task's prompt or reference solution is missing.
    """
    return {
        "git": _git(root),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "tasks": {
            task.id: {
                "version": task.version,
                "prompt_sha256": prompt_sha256(root, task),
                "solution_sha256": hashlib.sha256(solution_text(root, task).encode()).hexdigest(),
                "base_models": {
                    path.name: _sha256(path)
                    for path in sorted((root / "ground_truth" / "frozen" / task.models_id).glob("*.json"))
                },
            }
            for task in tasks
        },
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(root: Path) -> dict[str, Any]:
    """Commit and dirty flag, or nulls outside a git checkout."""
    try:
        commit = _git_output(root, "rev-parse", "HEAD").strip()
        dirty = bool(_git_output(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def _git_output(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30
    ).stdout
