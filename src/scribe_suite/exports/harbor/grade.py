"""``python -m scribe_suite.exports.harbor.grade KEY STATE OUT``: the verifier of an exported instance.

It draws the instance again from its seed, makes sure that it is the one that the agent had, scores the answer and
writes ``reward.json``. What is not the agent's fault (a container that was lost, a notebook that never began, a scorer
that fails) is an error without a reward, never a reward of 0.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from scribe_suite.errors import AnswerError, SuiteError
from scribe_suite.exports.harbor.inside.state import ANSWER, Status, read_status
from scribe_suite.tasks.answer_schema import MAX_WITH_ARRAYS
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from scribe_suite.untrusted_files import UntrustedFolder

#: Files that are written.
REWARD, DETAILS = "reward.json", "score.json"


class Key(BaseModel):
    """What identifies an exported instance; secret until it is published.

    Attributes:
        format: Version of this format.
        id: Name of the instance.
        task: Id of the task.
        version: Version of the task.
        seed: The instance's seed.
        sha256: `handed_sha256` of the instance.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    id: str
    task: str
    version: int
    seed: int
    sha256: str


class LostError(Exception):
    """The attempt can't be scored, for a reason that is not the agent's; the message says which."""


def grade(key: Key, state: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Score what an agent left.

    Args:
        key: The instance.
        state: The folder that its notebook wrote.

    Returns:
        The rewards by name, and details for readers.

    Raises:
        LostError: When nothing can be said about the agent.
    """
    status = read_status(state)
    if status is None:
        raise LostError("There is no status of the notebook: the container was lost, or the agent has no MCP servers.")
    if status.instance != key.id:
        raise LostError(f"This is the notebook of {status.instance}, and not of {key.id}.")
    raw = _answer(state, status)
    if raw is None:
        return {"reward": 0.0, "answered": 0.0}, {"outcome": "no_answer", "reason": status.rejection or ""}
    instance = draw(key)
    try:
        answer = instance.answer_schema.parse(raw)
    except AnswerError as error:
        return {"reward": 0.0, "answered": 0.0}, {"outcome": "invalid_answer", "reason": str(error)}
    score = instance.task.score(instance, answer)
    return rewards(score, instance.task.pass_mark), {
        "outcome": "solved" if score.skill >= instance.task.pass_mark else "unsolved",
        "skill": score.skill,
        "metrics": dict(score.metrics),
        "confidence": answer.confidence,
        "flags": list(score.flags),
        "spent": status.spent,
        "budget": status.budget,
    }


def _answer(state: Path, status: Status) -> bytes | None:
    """The answer; None where the agent gave none."""
    # the folder comes from the agent's container: no link in it is followed, and no pipe is waited for
    with UntrustedFolder(state) as folder:
        if folder.exists(ANSWER):
            with folder.open(ANSWER) as file:
                return file.read(MAX_WITH_ARRAYS + 1)
        if status.accepted:
            raise LostError("An answer was accepted, and its file is missing.")
        if status.failure is not None:
            raise LostError(f"The notebook failed: {status.failure}")
        if status.pid == 0:
            raise LostError("The notebook did not begin.")
        return None


def draw(key: Key) -> TaskInstance:
    """Draw the instance again.

    Raises:
        LostError: When it is not the one that was exported.
    """
    task = default_registry()[key.task]
    if task.version != key.version:
        raise LostError(f"{key.task} has version {task.version} here and had {key.version} when it was exported.")
    instance = task.instance(key.seed)
    if handed_sha256(instance) != key.sha256:
        raise LostError("The instance that is drawn here is not the one that was exported.")
    return instance


def handed_sha256(instance: TaskInstance) -> str:
    """The fingerprint of what an agent has of an instance.

    Of files it has names and sizes only: their floats may differ in the last bit between processors.
    """
    sizes = {name: len(content) for name, content in instance.handed.files.items()}
    facts = json.dumps([dict(instance.public.facts), sizes], sort_keys=True, default=str)
    return hashlib.sha256(f"{instance.base_model}\n{instance.handed.setup_code}\n{facts}".encode()).hexdigest()


def rewards(score: Score, pass_mark: float) -> dict[str, float]:
    """The skill from 0 to 1 as the reward, and everything else beside it."""
    return {
        "reward": min(1.0, max(0.0, score.skill)),
        "skill": score.skill,
        "solved": float(score.skill >= pass_mark),
        "answered": 1.0,
        **{name: value for name, value in score.metrics.items() if math.isfinite(value)},
    }


def main() -> int:
    """Grade; returns the exit code, which is 0 only if there is a reward."""
    path, state, out = map(Path, sys.argv[1:4])
    try:
        found, details = grade(Key.model_validate_json(path.read_bytes()), state)
        out.mkdir(parents=True, exist_ok=True)
        (out / DETAILS).write_text(json.dumps(details, indent=1) + "\n", encoding="utf-8")
        (out / REWARD).write_text(json.dumps(found) + "\n", encoding="utf-8")
    except (LostError, SuiteError, OSError, ValueError) as error:
        sys.stderr.write(f"No reward: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
