"""What an agent may submit: one pydantic model per kind of question, and the only way in for submitted text.

An answer arrives as JSON text made by a kernel that belongs to the agent, so nothing about it is trusted: size first,
then JSON, then the schema, then the facts of the instance (which components exist, how wide the residual stream is).
A rejected answer gets one message that says what to change; it never names anything that is not public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from scribe_suite.errors import AnswerError
from scribe_suite.tasks.claims import WithClaims
from scribe_suite.tasks.predict_code import check_predict
from scribe_suite.text import shortened

#: Larger answers are refused unread: the longest honest one (a probe on a wide model) is a few ten kilobytes.
MAX_ANSWER_BYTES = 1_000_000

#: The field by which an answer says that there is nothing to find.
NOTHING_FOUND = "nothing_found"

_SHOWN_ERRORS = 3
_SHOWN_NAME = 60


class Answer(WithClaims, BaseModel):
    """What every answer says besides its content; `WithClaims` has what it may claim.

    An answer without content is valid, and is scored as what it is. Only a task with null instances asks whether there
    is anything to find; its answers are of a kind that is an `AnswerOrNothing` too.

    Attributes:
        confidence: The agent's probability, 0 to 1, that the attempt counts as solved: that its skill is at least the
            pass mark.
        summary: How the answer was found and what supports it, in a few sentences.
    """

    # strict: "0.5" and True are not numbers, and guessing what was meant would hide an agent's mistake
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, str_max_length=20_000)

    content_field: ClassVar[str]
    further_content: ClassVar[tuple[str, ...]] = ()

    confidence: Annotated[float, Field(ge=0.0, le=1.0)]
    summary: str

    def is_empty(self) -> bool:
        """Whether the answer reports nothing."""
        return not any(getattr(self, field) for field in (self.content_field, *self.further_content))

    def says_nothing_found(self) -> bool | None:
        """Whether it says that there is nothing to find; None where that is not asked."""
        return None

    @model_validator(mode="before")
    @classmethod
    def _something_is_always_there(cls, value: Any) -> Any:
        """Refuse ``nothing_found`` where it is not asked; false is dropped, since recorded answers of old have it."""
        if not isinstance(value, dict) or issubclass(cls, AnswerOrNothing) or NOTHING_FOUND not in value:
            return value
        if value[NOTHING_FOUND] is not False:
            raise ValueError(f"in this task there is always something to find, so leave '{NOTHING_FOUND}' out")
        return {name: content for name, content in value.items() if name != NOTHING_FOUND}


class AnswerOrNothing(Answer):
    """What an answer also says in a task with null instances, in which there is nothing to find.

    Attributes:
        nothing_found: True when the agent concludes that there is nothing to find; the content must then be empty.
    """

    nothing_found: bool = False

    def says_nothing_found(self) -> bool | None:
        """See `Answer.says_nothing_found`."""
        return self.nothing_found

    @model_validator(mode="after")
    def _content_agrees_with_nothing_found(self) -> Self:
        fields = (self.content_field, *self.further_content)
        empty = self.is_empty()
        names, verb = " and ".join(map(repr, fields)), "is" if len(fields) == 1 else "are"
        if self.nothing_found and not empty:
            raise ValueError(f"'nothing_found' is true, so {names} must be empty")
        if empty and not self.nothing_found:
            raise ValueError(f"{names} {verb} empty; if that is your finding, set 'nothing_found' to true")
        return self


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
    components: list[str]

    @field_validator("components")
    @classmethod
    def _components_exist(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return _known(value, (info.context or {})["components"], "component")


class RoleAnswer(Answer):
    """Heads and MLPs, each with what it does to the right answer's logit. Facts used: ``components``.

    Attributes:
        roles: Component -> ``"supports"`` or ``"suppresses"``.
    """

    content_field = "roles"
    roles: dict[str, Literal["supports", "suppresses"]]

    @field_validator("roles")
    @classmethod
    def _components_exist(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        _known(value, (info.context or {})["components"], "component")
        return value


class RankingAnswer(Answer):
    """Heads ``a{layer}.h{head}`` and MLPs ``m{layer}`` by importance. Facts used: ``components``.

    Attributes:
        ranking: The most important one first, none twice; those left out are taken to matter least.
    """

    content_field = "ranking"
    ranking: list[str]

    @field_validator("ranking")
    @classmethod
    def _components_exist_once(cls, value: list[str], info: ValidationInfo) -> list[str]:
        listed = _known(value, (info.context or {})["components"], "component")
        if len(listed) < len(value):
            twice = [name for name in listed if value.count(name) > 1]
            raise ValueError(f"{_quoted(twice)} stands more than once: a component has one place in a ranking")
        return value


class NeuronAnswer(Answer):
    """A set of MLP neurons ``L{layer}.N{neuron}``.

    Facts used: ``n_layers``, ``d_mlp`` and, where a question asks for so many, ``max_neurons``.
    """

    content_field = "neurons"
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
    neurons: dict[str, str | None]

    def is_empty(self) -> bool:
        """Whether no letter has a neuron."""
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
    return ", ".join(repr(_cut(name)) for name in list(names)[:5])


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
    weight: list[float]
    bias: float = 0.0
    center: list[float] = []

    @field_validator("weight", "center")
    @classmethod
    def _width_fits(cls, value: list[float], info: ValidationInfo) -> list[float]:
        return _of_width(value, info)


class TextProbeAnswer(ProbeAnswer):
    """A linear probe on statements of different lengths: the position counts from the end.

    Facts used: ``n_layers``, ``d_model``, and ``n_ctx``, the number of tokens of the shortest statement.
    """

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
    """A linear probe on statements of different lengths, or that nothing can be read."""


class DirectionAnswer(ReadingAnswer):
    """A direction of the residual stream after one layer, at one position, that separates two kinds of texts.

    It has no sign and no threshold: the evaluator centres what it projects. Facts used: ``n_layers``, ``n_ctx``,
    ``d_model``.

    Attributes:
        direction: d_model numbers.
    """

    content_field = "direction"
    direction: list[float]

    @field_validator("direction")
    @classmethod
    def _width_fits(cls, value: list[float], info: ValidationInfo) -> list[float]:
        return _of_width(value, info)


class BehaviourAnswer(Answer):
    """What the model computes, as a function, and which heads and MLPs compute it. Facts used: ``components``.

    Half an answer is one too.

    Attributes:
        code: Python source that defines ``predict(prompts)``, which takes a list of prompts (lists of token ids) and
            returns what the model computes for each. It is parsed here, and run in a sandbox by the evaluator only.
        components: Heads ``a{layer}.h{head}`` and MLPs ``m{layer}``.
    """

    content_field = "code"
    further_content = ("components",)
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


_Submitted = TypeVar("_Submitted", bound=Answer)


def expect(answer: Answer, kind: type[_Submitted]) -> _Submitted:
    """The answer, known to be of the type that a task scores.

    Raises:
        TypeError: When it is of another.
    """
    if not isinstance(answer, kind):
        raise TypeError(f"a {kind.__name__} is scored here, not a {type(answer).__name__}")
    return answer


@dataclass(frozen=True)
class AnswerSchema:
    """An answer model bound to the public facts of one instance.

    Attributes:
        model: The pydantic class.
        facts: Public facts that validators need (see each class).
        example: A valid answer, shown in the prompt.
    """

    model: type[Answer]
    facts: Mapping[str, Any]
    example: Mapping[str, Any]

    @property
    def has_nulls(self) -> bool:
        """Whether an answer may be that there is nothing to find."""
        return issubclass(self.model, AnswerOrNothing)

    def parse(self, raw: str | bytes) -> Answer:
        """Read and validate submitted JSON text.

        Args:
            raw: JSON text of at most `MAX_ANSWER_BYTES` bytes.

        Returns:
            The validated answer.

        Raises:
            AnswerError: With one message for the agent that says what to change.
        """
        data = raw.encode("utf-8", errors="surrogatepass") if isinstance(raw, str) else raw
        if len(data) > MAX_ANSWER_BYTES:
            raise AnswerError(
                f"The answer has {len(data):,} bytes and at most {MAX_ANSWER_BYTES:,} are allowed: submit only the "
                f"fields of the answer schema."
            )
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"The answer is not JSON ({_first_line(error)}): submit a JSON object.") from None
        if not isinstance(value, dict):
            raise AnswerError(
                f"The answer is a JSON {type(value).__name__}, not an object: submit a dict like "
                f"{json.dumps(dict(self.example))[:400]}."
            )
        try:
            return self.model.model_validate(value, context=dict(self.facts))
        except ValidationError as error:
            raise AnswerError(self._explain(error)) from None

    def _explain(self, error: ValidationError) -> str:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        shown = [
            f"{_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in found[:_SHOWN_ERRORS]
        ]
        more = f" (and {len(found) - _SHOWN_ERRORS} more)" if len(found) > _SHOWN_ERRORS else ""
        return "The answer does not fit the schema: " + "; ".join(shown)[:1500] + more + "."


def _place(location: Iterable[int | str]) -> str:
    return ".".join(_cut(str(part)) for part in location) or "answer"


def _cut(name: str) -> str:
    """A name of the agent's, as much of it as a message repeats."""
    return shortened(name, _SHOWN_NAME)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
