"""Tasks: what is asked, how an instance is drawn, what an answer looks like."""

from scribe_suite.tasks.answers import Answer, AnswerSchema, ComponentAnswer, NeuronAnswer, ProbeAnswer
from scribe_suite.tasks.task import ProgressCallback, PublicMaterial, Score, Task, TaskInstance

__all__ = [
    "Answer",
    "AnswerSchema",
    "ComponentAnswer",
    "NeuronAnswer",
    "ProbeAnswer",
    "ProgressCallback",
    "PublicMaterial",
    "Score",
    "Task",
    "TaskInstance",
]
