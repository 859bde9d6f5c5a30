"""A schema for every kind of answer, and what becomes of an answer to it."""

from __future__ import annotations

import json

import pytest

from scribe_suite.errors import AnswerError
from scribe_suite.tasks.answer_kinds import (
    BehaviourAnswer,
    ComponentAnswer,
    DictionaryAnswer,
    DirectionAnswer,
    EdgeAnswer,
    EncodingAnswer,
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
    WindowSubspaceOrNothing,
)
from scribe_suite.tasks.answer_schema import AnswerSchema

COMMON = {"confidence": 0.5, "summary": "why"}
CIRCUIT = AnswerSchema(
    ComponentAnswer,
    {"components": ["a0.h0", "a0.h1", "m0"]},
    {"components": ["a0.h0"], **COMMON},
)
EDGES = AnswerSchema(
    EdgeAnswer,
    {"nodes": ["a0.h1", "m0", "a1.h0"], "edges": ["embed->m0", "a0.h1->m0", "m0->a1.h0.q", "m0->a1.h0.v"]},
    {"edges": ["embed->m0", "m0->a1.h0.v"], **COMMON},
)
ROLES = AnswerSchema(RoleAnswer, CIRCUIT.facts, {"roles": {"a0.h0": "supports", "m0": "suppresses"}, **COMMON})
RANKING = AnswerSchema(RankingAnswer, CIRCUIT.facts, {"ranking": ["m0", "a0.h1"], **COMMON})
PREDICT = "def predict(prompts):\n    return [prompt[0] for prompt in prompts]\n"
BEHAVIOUR = AnswerSchema(
    BehaviourAnswer, CIRCUIT.facts, {"code": PREDICT, "components": ["a0.h0"], "confidence": 0.5, "summary": "why"}
)
MECHANISM = AnswerSchema(
    MechanismAnswer, CIRCUIT.facts, {"code": "def predict(base, source, patched):\n    return base[0]\n", **COMMON}
)
EXPLANATION = AnswerSchema(
    ExplanationAnswer, {"neurons": ["L2.N1"]}, {"code": "def predict(tokens):\n    return tokens\n", **COMMON}
)
EXPLANATIONS = AnswerSchema(
    ExplanationAnswer,
    {"neurons": ["L2.N1", "L2.N7"]},
    {"code": "def predict(tokens, neuron):\n    return tokens\n", **COMMON},
)
NEURONS = AnswerSchema(NeuronAnswer, {"n_layers": 2, "d_mlp": 16}, {"neurons": ["L0.N3"], **COMMON})
LETTERS = AnswerSchema(
    LetterAnswer,
    {**NEURONS.facts, "letters": ["k", "s", "t"]},
    {"neurons": {"k": "L0.N3", "s": None, "t": None}, **COMMON},
)
PROBE = AnswerSchema(ProbeAnswer, {"n_layers": 3, "n_ctx": 9, "d_model": 4}, {"weight": [0.0, 1.0, 0.0, 0.0], **COMMON})
TEXT_PROBE = AnswerSchema(TextProbeAnswer, PROBE.facts, PROBE.example)
TEXT_PROBE_OR_NOTHING = AnswerSchema(TextProbeOrNothing, PROBE.facts, PROBE.example)
SUBSPACE = AnswerSchema(
    SubspaceAnswer,
    {**PROBE.facts, "sites": ["mlp_out", "resid_post"], "max_directions": 2},
    {"directions": [[0.0, 1.0, 0.0, 0.0]], **COMMON},
)
WINDOW = AnswerSchema(
    WindowSubspaceOrNothing,
    {**SUBSPACE.facts, "n_layers": 9, "layers": [3, 5], "asked_position": 8},
    {**SUBSPACE.example, "layer": 3, "nothing_found": False},
)
STEERING = AnswerSchema(
    SteeringAnswer,
    {"layers": [1, 2], "d_model": 4},
    {"layer": 1, "vector": [0.0, 1.0, 0.0, 0.0], "nothing_found": False, **COMMON},
)
READ_AND_WRITE = "def read(activation):\n    return 0\n\n\ndef write(activation, value):\n    return activation\n"
ENCODING = AnswerSchema(EncodingAnswer, {}, {"code": READ_AND_WRITE, **COMMON})
USED = AnswerSchema(UsedAnswer, {"properties": ["p0", "p1"]}, {"used": {"p0": 0.2, "p1": 0.2}, **COMMON})
DICTIONARY = AnswerSchema(DictionaryAnswer, {"width": 3, "max_rows": 6}, {"dictionary": [[0.0, 1.0, 0.0]], **COMMON})
DIRECTION = AnswerSchema(DirectionAnswer, PROBE.facts, {"direction": [0.0, 1.0, 0.0, 0.0], **COMMON})


def parse(schema, **fields):
    return schema.parse(json.dumps({**COMMON, **fields}))


def refusal(schema, raw):
    with pytest.raises(AnswerError) as caught:
        schema.parse(raw)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 2_000
    return message


def refused(schema, **fields):
    return refusal(schema, json.dumps({**COMMON, **fields}))
