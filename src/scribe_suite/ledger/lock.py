"""What defines a run: versions and hashes of everything that can change its numbers.

Runs with equal locks are comparable. What only affects durations is kept separately, under ``machine``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from scribe_suite.ledger.code import package_sha256, task_sha256
from scribe_suite.ledger.lock_differences import INSTANCE_SEEDS, MACHINE, PROVIDERS, TASKS
from scribe_suite.tasks import software
from scribe_suite.tasks.facts import TaskFacts, base_models_sha256
from scribe_suite.tasks.prompts import prompt_sha256
from scribe_suite.tasks.solutions import solution_text

PACKAGES = (
    "scribe-suite", *software.PACKAGES.values(), "ipykernel", "jupyter_client", "nbformat", "mcp", "pydantic",
    "pytest", "pytest-xdist", "safetensors",
)  # fmt: skip


def lock(
    root: Path,
    tasks: Iterable[TaskFacts],
    *,
    truths: Mapping[str, Mapping[str, str]] | None = None,
    seeds: Mapping[str, Mapping[int, int]] | None = None,
    providers: Mapping[str, Mapping[str, str | None]] | None = None,
    isolation: str | None = None,
    limits: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Everything that must be equal for two runs to be comparable, and the machine; JSON-safe.

    Args:
        root: The checkout.
        tasks: The run's tasks.
        truths: Task id -> what identifies its truth, for tasks whose truth is not in frozen base models.
        seeds: Task id -> trial -> seed of its instance, for planned attempts. Only hashes are returned.
        providers: Provider, as ``--provider`` names it -> what is known about it, such as its program's version.
        isolation: The tier of kernels.
        limits: The limits of an attempt.

    Raises:
        ConfigurationError: When a task's prompt or reference solution is missing.
    """
    planned = seeds or {}
    return {
        "git": _git(root),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "suite_sha256": package_sha256(),
        TASKS: {
            task.id: {
                "version": task.version,
                "code_sha256": task_sha256(root, task),
                "prompt_sha256": prompt_sha256(root, task),
                "solution_sha256": _solution_sha256(root, task),
                # a certificate includes the hash of its weights, and weights without a matching hash are not loaded
                "base_models": {} if task.models_id is None else base_models_sha256(root, task.models_id),
                **(truths or {}).get(task.id, {}),
                INSTANCE_SEEDS: {
                    str(trial): hashlib.sha256(str(seed).encode()).hexdigest()
                    for trial, seed in sorted(planned.get(task.id, {}).items())
                },
            }
            for task in tasks
        },
        PROVIDERS: {name: dict(facts) for name, facts in (providers or {}).items()},
        "isolation": isolation,
        "limits": dict(limits or {}),
        MACHINE: machine(),
    }


def _solution_sha256(root: Path, task: TaskFacts) -> str | None:
    """Hash of the reference solution; None for a black box, which has none."""
    return None if task.access == "outputs" else hashlib.sha256(solution_text(root, task).encode()).hexdigest()


def without_seeds(locked: Mapping[str, Any]) -> dict[str, Any]:
    """A lock that may be published: the hash of a small run seed can be found by trying all small numbers."""
    tasks = {
        name: {key: value for key, value in facts.items() if key != INSTANCE_SEEDS}
        for name, facts in locked[TASKS].items()
    }
    return {**locked, TASKS: tasks}


def machine() -> dict[str, Any]:
    """Describes the machine; cores are those that this process may use, memory is in bytes."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _cpu() -> str | None:
    """The name of the processor's model, or None."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, colon, value = line.partition(":")
            if colon and name.strip() == "model name":
                return value.strip()
    return platform.processor() or None


def _git(root: Path) -> dict[str, Any]:
    """Commit, dirty flag and the hash of what is not committed; nulls outside a git checkout."""
    try:
        commit = _git_output(root, "rev-parse", "HEAD").decode().strip()
        changes = _git_output(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color")
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None, "diff_sha256": None}
    return {
        "commit": commit,
        "dirty": bool(changes),
        "diff_sha256": hashlib.sha256(changes).hexdigest() if changes else None,
    }


def _git_output(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True, timeout=30).stdout
