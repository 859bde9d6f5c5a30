"""A kernel's requests as they arrive: pydantic models of the headers, and one sentence for each invalid one.

Only the form is checked here. `experiments` checks whether the model has such sites, and whether the terms allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.text import plain_text, shortened

#: Limits for the patches of a run, and for its sites.
MAX_PATCHES, MAX_SITES = 4096, 4096
#: Limit for the texts of a request.
MAX_TEXTS = 4096
#: Messages for lists of the wrong length, by pydantic's name of the error.
_COUNTED = {
    "too_long": "at most {max_length:,} are allowed, not {actual_length:,}",
    "too_short": "at least {min_length:,} is needed",
}
#: Most characters of one complaint.
MAX_REASON = 300


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


#: Which prompt of another run: one for all, one for each, or None for prompt by prompt.
PromptChoice = StrictInt | list[StrictInt] | None


class Interchange(_Strict):
    """The value of another run."""

    kind: Literal["interchange"]
    site: StrictStr
    run: StrictStr
    prompt: PromptChoice = None


class Zero(_Strict):
    """Nothing."""

    kind: Literal["zero"]
    site: StrictStr


class Mean(_Strict):
    """The mean over the prompts of another run."""

    kind: Literal["mean"]
    site: StrictStr
    run: StrictStr


class Add(_Strict):
    """A vector on top of what is there."""

    kind: Literal["add"]
    site: StrictStr
    vector: StrictStr


class Set(_Strict):
    """A vector."""

    kind: Literal["set"]
    site: StrictStr
    vector: StrictStr


class Subspace(_Strict):
    """The value of another run within a subspace."""

    kind: Literal["subspace"]
    site: StrictStr
    Q: StrictStr
    run: StrictStr
    prompt: PromptChoice = None


class Path(_Strict):
    """The value of another run, but only for one that reads it."""

    kind: Literal["path"]
    site: StrictStr
    to: StrictStr
    run: StrictStr
    prompt: PromptChoice = None


PatchRequest = Annotated[Interchange | Zero | Mean | Add | Set | Subspace | Path, Field(discriminator="kind")]


class Metric(_Strict):
    """What gradients are of: the logit of a label, less that of another one; one id for all prompts or one for each."""

    labels: StrictInt | list[StrictInt]
    minus: StrictInt | list[StrictInt] | None = None


class GradRequest(_Strict):
    """Gradients of a metric at sites."""

    of: Metric
    at: list[StrictStr] = Field(min_length=1, max_length=MAX_SITES)


class RunRequest(_Strict):
    """An experiment to run or to price; tokens are among the tensors, or there are texts."""

    texts: list[StrictStr] | None = Field(default=None, min_length=1, max_length=MAX_TEXTS)
    read: list[StrictStr] = Field(default=[], max_length=MAX_SITES)
    patch: list[PatchRequest] = Field(default=[], max_length=MAX_PATCHES)
    grad: GradRequest | None = None
    outputs: Literal["last", "all"] | list[StrictInt] = "last"
    labels: list[StrictInt] | None = Field(default=None, min_length=1)


class TokenizeRequest(_Strict):
    """Texts to tokenise; `bos` is whether the token that begins a text comes first, None for the default."""

    texts: list[StrictStr] = Field(min_length=1, max_length=MAX_TEXTS)
    bos: StrictBool | None = None


class NoRequest(_Strict):
    """A request without further fields."""


_Model = TypeVar("_Model", bound=_Strict)


def understood(model: type[_Model], fields: Mapping[str, Any]) -> _Model:
    """Parse the fields of a request.

    Raises:
        RefusedError: When they are invalid.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # the location also contains the kinds of a union, which are not informative
        where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "literal[")))
        message = _COUNTED.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
        reason = f"{where}: {message}" if where else message
        raise RefusedError(f"The request can't be understood: {shortened(plain_text(reason), MAX_REASON)}.") from None
    except RecursionError:
        raise RefusedError("The request can't be understood: it is nested too deep.") from None
