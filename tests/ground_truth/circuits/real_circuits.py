"""The tasks about circuits of a real model, and a tokenizer for their prompts that needs no model."""

from __future__ import annotations

import re

import pytest

from ground_truth.circuits.real.task import MeasuredCircuitTask
from scribe_suite.tasks.registry import default_registry

TASKS: dict[str, MeasuredCircuitTask] = {
    task.id: task for task in default_registry().of_family("circuits") if isinstance(task, MeasuredCircuitTask)
}
every_task = pytest.mark.parametrize("task_id", TASKS)


class WordTokenizer:
    """Words with the space before them, single digits and signs are tokens, numbered as they come."""

    bos_token_id = 0

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        assert not add_special_tokens
        return [self.ids.setdefault(piece, len(self.ids) + 1) for piece in re.findall(r" ?[A-Za-z]+|\d| |[^\w ]", text)]

    def decode(self, ids) -> str:
        names = {number: piece for piece, number in self.ids.items()}
        return "".join(names[int(number)] for number in ids)
