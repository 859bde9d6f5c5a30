"""How an agent gets the model: the arms of a task.

Like its level, the arm is a property of a task object: ``circuits/ioi`` gives the weights by default, and
``circuits/ioi.lab`` is the same question in a laboratory, on the same instances. An id names the arm only where it is
not the default of the task's level.
"""

from __future__ import annotations

from typing import Literal, get_args

Access = Literal["weights", "lab", "outputs"]
ACCESSES: tuple[Access, ...] = get_args(Access)
#: What each arm is, for human readers.
MEANINGS: dict[Access, str] = {
    "weights": "the model is loaded in the agent's kernel",
    "lab": "the harness runs the model, and every experiment has a price",
    "outputs": "the harness runs the model, and gives nothing but what it says",
}
#: Separates a label from the arm; a character that no label contains and that `pytest -k` accepts.
_BEFORE = "."


def with_access(label: str, access: Access) -> str:
    """A label or task id that names its arm."""
    return f"{label}{_BEFORE}{access}"


def split_access(label: str) -> tuple[str, Access | None]:
    """A label or task id without its arm, and the arm that it names."""
    question, _, access = label.partition(_BEFORE)
    for known in ACCESSES:
        if known == access:
            return question, known
    return (label, None) if access else (question, None)


def question_of(task_id: str) -> str:
    """The id of the question: the same in all arms, which have the same instances."""
    return split_access(task_id)[0]
