"""Constant answers that need no key: nothing, everything, the first few, the prompt's example."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scribe_suite.errors import AnswerError
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.task import TaskInstance

#: Content fields of an answer and their values; missing fields have the values of the prompt's example.
Content = Mapping[str, Any]

#: Numbers of a model's first elements that are submitted.
FIRST = (1, 2, 3, 4, 6, 12)
_NOTHING_FOUND = "nothing_found"
#: One probability for every property.
_SHARES: Mapping[str, float] = {"everything": 1.0, "none is used": 0.0}


def elements(instance: TaskInstance) -> list[str]:
    """The elements of an answer, in the order of the model: components, edges or neurons; empty for probes."""
    facts = instance.answer_schema.facts
    if "edges" in facts:
        return list(facts["edges"])
    if "components" in facts:
        return list(facts["components"])
    if "d_mlp" not in facts:
        return []
    return [f"L{layer}.N{neuron}" for layer in range(facts["n_layers"]) for neuron in range(facts["d_mlp"])]


def made_of(instance: TaskInstance, chosen: Sequence[str]) -> Content:
    """Some elements in the task's form of answer: the most frequent role for all, or one per letter in order."""
    field = instance.answer_schema.model.content_field
    if field == "code":
        return {"components": list(chosen)}
    if field == "roles":
        return {field: dict.fromkeys(chosen, "supports")}
    if "letters" in instance.answer_schema.facts:
        letters = instance.answer_schema.facts["letters"]
        return {field: dict(zip(letters, [*chosen, *[None] * len(letters)], strict=False))}
    return {field: list(chosen)}


def answer_of(instance: TaskInstance, content: Content) -> Answer | None:
    """A constant as an answer to an instance, or None where the task refuses it."""
    schema = instance.answer_schema
    raw = {**schema.example, **content, "confidence": 0.0, "summary": "A constant."}
    fields = (schema.model.content_field, *schema.model.further_content)
    if _NOTHING_FOUND in schema.example:
        raw[_NOTHING_FOUND] = not any(_holds(raw[field]) for field in fields)
    try:
        return schema.parse(json.dumps(raw))
    except AnswerError:
        return None


def constants(instance: TaskInstance) -> dict[str, Content]:
    """The constants of an instance's task, by name."""
    schema = instance.answer_schema
    fields = (schema.model.content_field, *schema.model.further_content)
    empty = {field: type(schema.example[field])() for field in fields}
    found: dict[str, Content] = {"nothing": empty, "example": {}}
    if "properties" in schema.facts:
        listed = schema.facts["properties"]
        found |= {name: {"used": dict.fromkeys(listed, share)} for name, share in _SHARES.items()}
        found["first 1"] = {"used": {**dict.fromkeys(listed, 0.0), listed[0]: 1.0}}
    if "max_latents" in schema.facts:
        listed = range(schema.facts["max_latents"])
        found |= {f"first {len(some)}": {"latents": [*some]} for some in (listed[:1], listed)}
    named = elements(instance)
    if not named:
        return found
    found["everything"] = made_of(instance, named)
    found |= {f"first {count}": made_of(instance, named[:count]) for count in FIRST}
    if "components" in schema.facts:
        kinds = {"heads": "a", "MLPs": "m"}
        found |= {name: made_of(instance, [one for one in named if one[0] == kind]) for name, kind in kinds.items()}
        found["last to first"] = made_of(instance, named[::-1])
    if schema.model.content_field == "roles":
        found["all suppress"] = {"roles": dict.fromkeys(named, "suppresses")}
    if "letters" in schema.facts:
        found["one for all letters"] = made_of(instance, [named[0]] * len(schema.facts["letters"]))
    return found


def content_of(oracle: Mapping[str, Any], instance: TaskInstance) -> Content:
    """The content of another instance's right answer, as an answer to this one.

    Neurons for letters are assigned in order: the letter for which each was right is knowledge of a model.
    """
    schema = instance.answer_schema
    content = {name: value for name, value in oracle.items() if name not in ("confidence", "summary", _NOTHING_FOUND)}
    if "letters" in schema.facts:
        named = list(content["neurons"].values())
        content["neurons"] = dict(zip(schema.facts["letters"], [*named, *[None] * len(named)], strict=False))
    return content


def _holds(value: object) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value)
