"""Seeds: one per run, from which every instance's is derived, so that providers meet the same instances."""

from __future__ import annotations

import hashlib
import random
import secrets


def fresh_run_seed() -> int:
    """An unpredictable seed; it is written to the ledger and nowhere else."""
    return secrets.randbits(62)


def derive_seed(run_seed: int, *names: str | int) -> int:
    """A 62-bit seed for the thing that `names` identify, the same in every process and for every provider."""
    text = "\x1f".join(str(part) for part in (run_seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def attempt_seed(run_seed: int, task_id: str, trial: int) -> int:
    """The seed of an attempt's instance: the same for every provider and in every arm.

    Args:
        run_seed: The run's seed.
        task_id: `Task.question_id`, which names no arm.
        trial: The trial's number, from 0.
    """
    return derive_seed(run_seed, task_id, trial)


def instance_rng(task_id: str, seed: int, purpose: str = "") -> random.Random:
    """The generator for drawing an instance.

    Certificates contain results of reference solutions on instances drawn like this, so the formula must not change.

    Args:
        task_id: The task's id.
        seed: The instance's seed.
        purpose: A name for the draw, where several things are drawn independently.
    """
    return random.Random(f"{task_id} {purpose} {seed}" if purpose else f"{task_id} {seed}")
