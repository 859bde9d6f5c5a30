"""Tasks: the question, how an instance is drawn, what an answer looks like."""

from scribe_suite.tasks.answer_kinds import (
    BehaviourAnswer,
    CarrierAnswer,
    ComponentAnswer,
    DictionaryAnswer,
    DirectionAnswer,
    EdgeAnswer,
    EncodingAnswer,
    ExceptionAnswer,
    ExplanationAnswer,
    LetterAnswer,
    MechanismAnswer,
    NeuronAnswer,
    ProbeAnswer,
    RankingAnswer,
    RoleAnswer,
    SteeringAnswer,
    SubspaceAnswer,
    TextProbeAnswer,
    TextProbeOrNothing,
    UsedAnswer,
)
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, AnswerOrNothing
from scribe_suite.tasks.material import PublicMaterial
from scribe_suite.tasks.task import PlantedTask, Score, Task, TaskInstance

__all__ = [
    "Answer",
    "AnswerOrNothing",
    "AnswerSchema",
    "BehaviourAnswer",
    "CarrierAnswer",
    "ComponentAnswer",
    "DictionaryAnswer",
    "DirectionAnswer",
    "EdgeAnswer",
    "EncodingAnswer",
    "ExceptionAnswer",
    "ExplanationAnswer",
    "LetterAnswer",
    "MechanismAnswer",
    "NeuronAnswer",
    "PlantedTask",
    "ProbeAnswer",
    "PublicMaterial",
    "RankingAnswer",
    "RoleAnswer",
    "Score",
    "SteeringAnswer",
    "SubspaceAnswer",
    "Task",
    "TaskInstance",
    "TextProbeAnswer",
    "TextProbeOrNothing",
    "UsedAnswer",
]
