"""The kinds of answers: one pydantic model per kind of question.

A validator finds the public facts of the instance in its context; each class names those that it needs. Its error
messages are shown to the agent, so they say what to change and name only public things.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from scribe_suite.tasks.answers import SHOWN_NAME, Answer, AnswerOrNothing
from scribe_suite.tasks.arrays import SubmittedArray
from scribe_suite.tasks.edge_names import edge_fault
from scribe_suite.tasks.predict_code import check_functions, check_predict
from scribe_suite.text import shortened

_COMPONENTS: Mapping[str, str] = {"components": "the names of all heads and MLPs"}
_ASKED: Mapping[str, str] = {"neurons": "the names of the neurons that are asked about"}
_NEURONS: Mapping[str, str] = {"n_layers": "the number of layers", "d_mlp": "the neurons of a layer"}
_READING: Mapping[str, str] = {"n_layers": "the number of layers", "n_ctx": "the number of positions"}
_VECTOR: Mapping[str, str] = {**_READING, "d_model": "the width of the residual stream"}
_EDGES: Mapping[str, str] = {
    "nodes": "the names of the nodes between which edges are asked for",
    "edges": "the names of all edges that there can be between them",
}
_CARRIERS: Mapping[str, str] = {
    "positions": "the positions whose values are added",
    "heads": "the names of all heads",
}
_LETTERS: Mapping[str, str] = {"letters": "the letters asked", **_NEURONS}
_TEXT_VECTOR: Mapping[str, str] = {**_VECTOR, "n_ctx": "the number of tokens of the shortest statement"}
_DICTIONARY: Mapping[str, str] = {
    "width": "the numbers of a row",
    "max_rows": "how many rows may be given",
}
_LATENTS: Mapping[str, str] = {
    "n_latents": "the number of latents",
    "max_latents": "how many latents may be given",
}
_STEERING: Mapping[str, str] = {
    "layers": "the layers after which a vector may be added",
    "d_model": "the width of the residual stream",
}
_PROPERTIES: Mapping[str, str] = {"properties": "the names of the properties that are asked about"}
_SUBSPACE: Mapping[str, str] = {
    **_VECTOR,
    "sites": "the names of the sites at which activations can be exchanged",
    "max_directions": "how many directions may be given",
}
_WINDOW: Mapping[str, str] = {
    **_SUBSPACE,
    "layers": "the first and the last layer that is asked about",
    "asked_position": "the index of the position that is asked about",
}


def _known(values: Iterable[str], universe: Iterable[str], kind: str) -> list[str]:
    """Drop duplicates, keep the order, refuse names that do not exist in the model."""
    listed = list(dict.fromkeys(values))
    known = set(universe)
    unknown = [value for value in listed if value not in known]
    if unknown:
        raise ValueError(f"the model has no {kind} {_quoted(unknown)}")
    return listed


class ComponentAnswer(Answer):
    """A set of heads ``a{layer}.h{head}`` and MLPs ``m{layer}``. Facts used: ``components``."""

    content_field = "components"
    needs = _COMPONENTS
    components: list[str]

    @field_validator("components")
    @classmethod
    def _components_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return _known(value, (info.context or {})["components"], "component")


class EdgeAnswer(Answer):
    """Edges ``a0.h1->m2`` or ``a1.h0->a3.h2.q`` between given nodes. Facts used: ``nodes``, ``edges``."""

    content_field = "edges"
    needs = _EDGES
    edges: list[str]

    @field_validator("edges")
    @classmethod
    def _edges_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        facts = info.context or {}
        nodes, known = set(facts["nodes"]), set(facts["edges"])
        listed = list(dict.fromkeys(value))
        for name in listed:
            if fault := edge_fault(name, nodes, known):
                raise ValueError(fault)
        return listed


class RoleAnswer(Answer):
    """Heads and MLPs, each with what it does to the right answer's logit. Facts used: ``components``.

    Attributes:
        roles: Component -> ``"supports"`` or ``"suppresses"``.
    """

    content_field = "roles"
    needs = _COMPONENTS
    roles: dict[str, Literal["supports", "suppresses"]]

    @field_validator("roles")
    @classmethod
    def _components_exist(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        _known(value, (info.context or {})["components"], "component")
        return value


class RankingAnswer(Answer):
    """Heads ``a{layer}.h{head}`` and MLPs ``m{layer}`` by importance. Facts used: ``components``.

    Attributes:
        ranking: The most important one first, none twice; those left out count as least important.
    """

    content_field = "ranking"
    needs = _COMPONENTS
    ranking: list[str]

    @field_validator("ranking")
    @classmethod
    def _components_exist_once(cls, value: list[str], info: ValidationInfo) -> list[str]:
        listed = _known(value, (info.context or {})["components"], "component")
        if len(listed) < len(value):
            twice = [name for name in listed if value.count(name) > 1]
            raise ValueError(f"{_quoted(twice)} occurs more than once: a component has one place in a ranking")
        return value


class NeuronAnswer(Answer):
    """A set of MLP neurons ``L{layer}.N{neuron}``.

    Facts used: ``n_layers``, ``d_mlp`` and, where a question asks for so many, ``max_neurons``.
    """

    content_field = "neurons"
    needs = _NEURONS
    neurons: list[str]

    @field_validator("neurons")
    @classmethod
    def _neurons_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        known = _known_neurons(value, info)
        most = (info.context or {}).get("max_neurons")
        if most is not None and len(known) > most:
            raise ValueError(f"has {len(known)} neurons, and at most {most} are asked for: give the best ones")
        return known


class LetterAnswer(Answer):
    """For every letter asked, one MLP neuron ``L{layer}.N{neuron}``, or null: the model has none for it.

    Facts used: ``letters``, ``n_layers``, ``d_mlp``.

    Attributes:
        neurons: Letter -> neuron or None; every letter once, or nothing at all.
    """

    content_field = "neurons"
    needs = _LETTERS
    neurons: dict[str, str | None]

    def is_empty(self) -> bool:
        """Whether it gives no neuron for any letter."""
        return not any(self.neurons.values())

    @field_validator("neurons")
    @classmethod
    def _letters_and_neurons_exist(cls, value: dict[str, str | None], info: ValidationInfo) -> dict[str, str | None]:
        letters = list((info.context or {})["letters"])
        unknown = [letter for letter in value if letter not in letters]
        if unknown:
            raise ValueError(f"{_quoted(unknown)} was not asked for: the letters are {', '.join(letters)}")
        missing = [letter for letter in letters if letter not in value]
        if value and missing:
            raise ValueError(f"has nothing for {_quoted(missing)}: give a neuron, or null if there is none")
        _known_neurons([neuron for neuron in value.values() if neuron is not None], info)
        return value


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(shortened(name, SHOWN_NAME)) for name in list(names)[:5])


def _known_neurons(value: list[str], info: ValidationInfo) -> list[str]:
    facts = info.context or {}
    layers, width = int(facts["n_layers"]), int(facts["d_mlp"])

    def exists(name: str) -> bool:
        match = re.fullmatch(r"L(0|[1-9]\d{0,5})\.N(0|[1-9]\d{0,5})", name)
        return match is not None and int(match[1]) < layers and int(match[2]) < width

    return _known(value, [name for name in value if exists(name)], "neuron")


class ReadingAnswer(Answer):
    """Something read from the residual stream after one layer, at one position. Facts: ``n_layers``, ``n_ctx``.

    Attributes:
        layer: Layer after which the residual stream is read (``blocks.{layer}.hook_resid_post``).
        position: ``"last"`` or a token index, negative ones from the end.
    """

    needs = _READING
    layer: int = 0
    position: int | str = "last"

    @field_validator("layer")
    @classmethod
    def _layer_exists(cls, value: int, info: ValidationInfo) -> int:
        layers = int((info.context or {})["n_layers"])
        if not 0 <= value < layers:
            raise ValueError(f"must be between 0 and {layers - 1}, got {value}")
        return value

    @field_validator("position")
    @classmethod
    def _position_exists(cls, value: int | str, info: ValidationInfo) -> int | str:
        length = int((info.context or {})["n_ctx"])
        if isinstance(value, str):
            if value != "last":
                raise ValueError(f'must be "last" or an integer, got {value[:40]!r}')
        elif not -length <= value < length:
            raise ValueError(f"must be between {-length} and {length - 1}, got {value}")
        return value


def _of_width(value: list[float], info: ValidationInfo) -> list[float]:
    width = int((info.context or {})["d_model"])
    if value and len(value) != width:
        raise ValueError(f"must have d_model = {width} numbers, got {len(value)}")
    return value


class ProbeAnswer(ReadingAnswer):
    """A linear probe on the residual stream after one layer, at one position.

    The evaluator predicts "true" where ``(resid_post[layer][position] - center) @ weight + bias > 0``.
    Facts used: ``n_layers``, ``n_ctx``, ``d_model``.

    Attributes:
        weight: d_model numbers.
        bias: Added after the projection.
        center: d_model numbers subtracted before it; empty means zeros.
    """

    content_field = "weight"
    needs = _VECTOR
    weight: list[float]
    bias: float = 0.0
    center: list[float] = Field(default=[])

    @field_validator("weight", "center")
    @classmethod
    def _width_fits(cls, value: list[float], info: ValidationInfo) -> list[float]:
        return _of_width(value, info)


class TextProbeAnswer(ProbeAnswer):
    """A linear probe on statements of different lengths: the position counts from the end.

    Facts used: ``n_layers``, ``d_model``, and ``n_ctx``, the number of tokens of the shortest statement.
    """

    needs = _TEXT_VECTOR

    @field_validator("position")
    @classmethod
    def _position_exists(cls, value: int | str, info: ValidationInfo) -> int | str:
        shortest = int((info.context or {})["n_ctx"])
        if isinstance(value, str):
            if value != "last":
                raise ValueError(f'must be "last" or a negative integer, got {value[:40]!r}')
        elif not -shortest <= value < 0:
            raise ValueError(
                f"must count from the end, between {-shortest} and -1: statements have different lengths, and the "
                f"shortest has {shortest} tokens; got {value}"
            )
        return value


class TextProbeOrNothing(TextProbeAnswer, AnswerOrNothing):
    """A linear probe on statements of different lengths, or the statement that nothing can be read."""


class DirectionAnswer(ReadingAnswer):
    """A direction of the residual stream after one layer, at one position, that separates two kinds of texts.

    It has no sign and no threshold: the evaluator centres what it projects. Facts used: ``n_layers``, ``n_ctx``,
    ``d_model``.

    Attributes:
        direction: d_model numbers.
    """

    content_field = "direction"
    needs = _VECTOR
    direction: list[float]

    @field_validator("direction")
    @classmethod
    def _width_fits(cls, value: list[float], info: ValidationInfo) -> list[float]:
        return _of_width(value, info)


class SubspaceAnswer(ReadingAnswer):
    """The span of some directions at one site of one layer, at one position. It has neither signs nor an order.

    Facts used: ``n_layers``, ``n_ctx``, ``d_model``, ``sites``, ``max_directions``.

    Attributes:
        site: One of the sites, as in ``blocks.{layer}.hook_{site}``.
        directions: Lists of d_model numbers, which need not be orthogonal or of unit length.
    """

    content_field = "directions"
    needs = _SUBSPACE
    site: str = "resid_post"
    directions: list[list[float]]

    @field_validator("site")
    @classmethod
    def _site_exists(cls, value: str, info: ValidationInfo) -> str:
        sites = list((info.context or {})["sites"])
        if value not in sites:
            raise ValueError(f"must be one of {', '.join(sites)}, got {shortened(value, SHOWN_NAME)!r}")
        return value

    @field_validator("directions")
    @classmethod
    def _few_of_the_width(cls, value: list[list[float]], info: ValidationInfo) -> list[list[float]]:
        facts = info.context or {}
        most, width = int(facts["max_directions"]), int(facts["d_model"])
        if len(value) > most:
            raise ValueError(f"has {len(value)} directions, and at most {most} are allowed: give one list for each")
        wrong = [len(direction) for direction in value if len(direction) != width]
        if wrong:
            raise ValueError(f"must be lists of d_model = {width} numbers each, got one of {wrong[0]}")
        return value


class SteeringAnswer(AnswerOrNothing):
    """A vector that is added to the residual stream after one layer, or the statement that none does what is asked.

    Only its direction counts. Facts used: ``layers``, ``d_model``.

    Attributes:
        layer: Layer after which it is added (``blocks.{layer}.hook_resid_post``); not needed where nothing is found.
        vector: d_model numbers.
    """

    content_field = "vector"
    needs = _STEERING
    layer: int | None = None
    vector: list[float] = Field(default=[])

    @field_validator("layer")
    @classmethod
    def _layer_is_allowed(cls, value: int | None, info: ValidationInfo) -> int | None:
        layers = list((info.context or {})["layers"])
        if value is not None and value not in layers:
            raise ValueError(f"must be one of {', '.join(map(str, layers))}, got {value}")
        return value

    @field_validator("vector")
    @classmethod
    def _width_fits(cls, value: list[float], info: ValidationInfo) -> list[float]:
        return _of_width(value, info)

    @model_validator(mode="after")
    def _vector_has_a_layer(self) -> Self:
        if self.vector and self.layer is None:
            raise ValueError("'layer' is missing: say after which layer the vector is added")
        return self


class WindowSubspaceOrNothing(SubspaceAnswer, AnswerOrNothing):
    """A subspace at one position and within some layers, or the statement that there is none.

    Facts used: those of `SubspaceAnswer`, ``layers`` (first and last) and ``asked_position`` (an index from 0).
    """

    needs = _WINDOW

    @model_validator(mode="after")
    def _inside_the_window(self, info: ValidationInfo) -> Self:
        if self.nothing_found:
            return self
        facts = info.context or {}
        (first, last), asked = facts["layers"], int(facts["asked_position"])
        if not first <= self.layer <= last:
            raise ValueError(f"'layer' must be between {first} and {last}, the layers that are asked about")
        length = int(facts["n_ctx"])
        if (length - 1 if isinstance(self.position, str) else self.position % length) != asked:
            raise ValueError(f"'position' must be {asked}, the position that is asked about")
        return self


class SumCarriers(BaseModel):
    """A sum over some positions, and heads that carry it.

    Attributes:
        positions: Positions in a prompt, in any order.
        heads: Heads ``a{layer}.h{head}``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    positions: list[int]
    heads: list[str]

    @field_validator("positions")
    @classmethod
    def _some_of_the_terms(cls, value: list[int], info: ValidationInfo) -> list[int]:
        known = list((info.context or {})["positions"])
        unknown = [position for position in value if position not in known]
        if unknown:
            raise ValueError(f"position {unknown[0]} is not added: the positions are {', '.join(map(str, known))}")
        different = sorted(set(value))
        if not 2 <= len(different) < len(known):
            raise ValueError(f"an intermediate sum has 2 to {len(known) - 1} different positions, not {len(different)}")
        return different

    @field_validator("heads")
    @classmethod
    def _heads_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return _known(value, (info.context or {})["heads"], "head")


class CarrierAnswer(Answer):
    """Intermediate sums, and the heads that carry each. Facts used: ``positions``, ``heads``.

    Attributes:
        carriers: Sums with their heads; a sum that occurs twice has the heads of both.
    """

    content_field = "carriers"
    needs = _CARRIERS
    carriers: list[SumCarriers]

    def by_positions(self) -> dict[tuple[int, ...], tuple[str, ...]]:
        """Positions of each sum -> its heads."""
        found: dict[tuple[int, ...], dict[str, None]] = {}
        for one in self.carriers:
            found.setdefault(tuple(one.positions), {}).update(dict.fromkeys(one.heads))
        return {positions: tuple(heads) for positions, heads in found.items()}


class LatentAnswer(Answer):
    """A set of latents of an autoencoder, by index. Facts used: ``n_latents``, ``max_latents``.

    Attributes:
        latents: Indices, from 0.
    """

    content_field = "latents"
    needs = _LATENTS
    latents: list[int]

    @field_validator("latents")
    @classmethod
    def _few_that_exist(cls, value: list[int], info: ValidationInfo) -> list[int]:
        facts = info.context or {}
        count, most = int(facts["n_latents"]), int(facts["max_latents"])
        unknown = [latent for latent in value if not 0 <= latent < count]
        if unknown:
            raise ValueError(f"there is no latent {str(unknown[0])[:40]}: latents are 0 to {count - 1}")
        different = list(dict.fromkeys(value))
        if len(different) > most:
            raise ValueError(f"has {len(different)} latents, and at most {most} are asked for")
        return different


class DictionaryAnswer(Answer):
    """Directions, as the rows of an array. They have neither signs, lengths nor an order.

    Facts used: ``width``, ``max_rows``.

    Attributes:
        dictionary: One row for each direction; rows of zeros are no directions.
    """

    content_field = "dictionary"
    array_fields = ("dictionary",)
    needs = _DICTIONARY
    dictionary: SubmittedArray

    @field_validator("dictionary")
    @classmethod
    def _rows_of_the_width(cls, value: SubmittedArray, info: ValidationInfo) -> SubmittedArray:
        facts, shape = info.context or {}, value.values.shape
        width, most = int(facts["width"]), int(facts["max_rows"])
        if len(shape) != 2 or (shape[0] and shape[1] != width):
            raise ValueError(f"must have the shape (rows, {width}), and has {shape}")
        if shape[0] > most:
            raise ValueError(f"has {shape[0]:,} rows, and at most {most:,} are allowed")
        return value


class BehaviourAnswer(Answer):
    """What the model computes, as a function, and which heads and MLPs compute it. Facts used: ``components``.

    One of the two parts alone is also an answer.

    Attributes:
        code: Python source that defines ``predict(prompts)``, which takes a list of prompts (lists of token ids) and
            returns what the model computes for each. It is parsed here, and run in a sandbox by the evaluator only.
        components: Heads ``a{layer}.h{head}`` and MLPs ``m{layer}``.
    """

    content_field = "code"
    further_content = ("components",)
    needs = _COMPONENTS
    code: str
    components: list[str]

    @field_validator("code")
    @classmethod
    def _code_defines_predict(cls, value: str) -> str:
        if not value.strip():
            return ""
        check_predict(value)
        return value

    @field_validator("components")
    @classmethod
    def _components_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return _known(value, (info.context or {})["components"], "component")


class MechanismAnswer(Answer):
    """What a model does while some of its components are patched, as a function.

    Attributes:
        code: Python source that defines ``predict(base, source, patched)``, which takes two prompts (lists of token
            ids) and a list of component names, and returns one label. It is parsed here, and run in a sandbox by the
            evaluator only.
    """

    content_field = "code"
    code: str

    @field_validator("code")
    @classmethod
    def _code_defines_predict(cls, value: str) -> str:
        if not value.strip():
            return ""
        check_predict(value, ("base", "source", "patched"))
        return value


class EncodingAnswer(Answer):
    """How a variable is coded, as two functions of one activation.

    Attributes:
        code: Python source that defines ``read(activation)``, which returns the value that is in an activation, and
            ``write(activation, value)``, which returns the activation with another value in it. It is parsed here, and
            run in a sandbox by the evaluator only.
    """

    content_field = "code"
    code: str

    @field_validator("code")
    @classmethod
    def _code_defines_both(cls, value: str) -> str:
        if not value.strip():
            return ""
        check_functions(value, {"read": ("activation",), "write": ("activation", "value")})
        return value


class UsedAnswer(Answer):
    """For every property, the probability that it is used. Facts used: ``properties``.

    Attributes:
        used: Property -> probability, 0 to 1; every property once, or nothing at all.
    """

    content_field = "used"
    needs = _PROPERTIES
    used: dict[str, float]

    @field_validator("used")
    @classmethod
    def _one_probability_each(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        asked = list((info.context or {})["properties"])
        unknown = [name for name in value if name not in asked]
        if unknown:
            raise ValueError(f"{_quoted(unknown)} was not asked for: the properties are {', '.join(asked)}")
        missing = [name for name in asked if name not in value]
        if value and missing:
            raise ValueError(f"has nothing for {_quoted(missing)}: give a probability for every property")
        wrong = [name for name, probability in value.items() if not 0 <= probability <= 1]
        if wrong:
            raise ValueError(f"must be probabilities between 0 and 1, got {value[wrong[0]]:g} for {_quoted(wrong[:1])}")
        return value


class ExceptionAnswer(AnswerOrNothing):
    """What a model says, its exception included, as a function of one prompt, or that there is no exception.

    Attributes:
        code: Python source that defines ``predict(prompt)``, which takes a list of token ids and returns one label; it
            may call ``ordinary(prompt)``. It is parsed here, and run in a sandbox by the evaluator only.
    """

    content_field = "code"
    code: str

    @field_validator("code")
    @classmethod
    def _code_defines_predict(cls, value: str) -> str:
        if not value.strip():
            return ""
        check_predict(value, ("prompt",))
        return value


class ExplanationAnswer(Answer):
    """What neurons do, as a function. Facts used: ``neurons``.

    Attributes:
        code: Python source that defines ``predict(tokens)``, which takes a list of token ids and returns a number for
            each; where several neurons are asked about, ``predict(tokens, neuron)``, with a neuron's name. It is parsed
            here, and run in a sandbox by the evaluator only.
    """

    content_field = "code"
    needs = _ASKED
    code: str

    @field_validator("code")
    @classmethod
    def _code_defines_predict(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip():
            return ""
        check_predict(value, predict_arguments((info.context or {})["neurons"]))
        return value


def predict_arguments(neurons: Sequence[str]) -> tuple[str, ...]:
    """What the function of an `ExplanationAnswer` is called with."""
    return ("tokens",) if len(neurons) == 1 else ("tokens", "neuron")
