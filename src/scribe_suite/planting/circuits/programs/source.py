"""A program as Python source: ``predict(base, source, patched)``, the correct answer with an instance's names."""

from __future__ import annotations

import pprint

import torch

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import SPAN, class_number
from scribe_suite.planting.symmetries import Symmetry

_SOURCE = """\
#: The class of every token, as variables read them.
CLASSES = {classes}
#: Per variable: its node, what it does, what it reads, whether it has a value at every position, and its numbers.
VARIABLES = {variables}
LABELS = {labels}


def computed(operation, read, everywhere, numbers, n):
    if operation == "back":
        return [read[0][max(place - numbers["by"], 0)] for place in range(n)]
    if operation == "at":
        return read[0][numbers["place"]]
    if operation == "marked":
        return read[1][read[0].index(max(read[0]))]
    if operation == "latest":
        return read[1][max([place for place in range(n) if read[0][place] == numbers["wanted"]], default=n - 1)]
    if operation == "pointed":
        return read[1][numbers["slots"][read[0]]]
    if operation == "count":
        return read[0][numbers["place"] : numbers["place"] + {span}].count(numbers["wanted"])

    def entry(*values):
        index = 0
        for value, size in zip(values, numbers["shape"]):
            index = index * size + value
        return numbers["table"][index]

    if everywhere:
        return [entry(*values) for values in zip(*read)]
    return entry(*[one[-1] if isinstance(one, list) else one for one in read])


def run(prompt, known):
    values = {{}}
    for name, (node, operation, inputs, everywhere, numbers) in VARIABLES.items():
        read = [[CLASSES[one][token] for token in prompt] if one in CLASSES else values[one] for one in inputs]
        values[name] = known[name] if name in known else computed(operation, read, everywhere, numbers, len(prompt))
    return values


def predict(base, source, patched):
    there = run(source, {{}})
    return LABELS[run(base, {{name: there[name] for name, row in VARIABLES.items() if row[0] in patched}})["{last}"]]
"""


def predict_source(program: Program, correspondence: Correspondence, symmetry: Symmetry) -> str:
    """The Python source of a program.

    Args:
        program: The program, with the names of its base model.
        correspondence: The instance's node of each variable.
        symmetry: The symmetry that turns the base model into the instance.
    """
    old = torch.tensor(symmetry.token_map).argsort().tolist()
    read = dict.fromkeys(one for part in program.parts for one in part.inputs)
    classes = {
        name: [program.classes[number][token] for token in old]
        for name in read
        if (number := class_number(name)) is not None
    }
    variables = {}
    for part in program.parts:
        fields = ("by", "place", "wanted", "slots", "table", "shape")
        numbers = {field: getattr(part, field) for field in fields if getattr(part, field)}
        numbers |= {"place": part.place, "wanted": part.wanted} if part.operation in ("at", "latest", "count") else {}
        node = correspondence[part.name][0]
        variables[part.name] = (node, part.operation, list(part.inputs), part.everywhere, numbers)
    return _SOURCE.format(
        classes=_shown(classes),
        variables=_shown(variables),
        labels=list(symmetry.label_map),
        span=SPAN,
        last=program.variables[-1],
    )


def _shown(value: object) -> str:
    return pprint.pformat(value, width=110, compact=True, sort_dicts=False)
