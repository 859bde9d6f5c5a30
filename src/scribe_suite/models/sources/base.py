"""The interface of sources of models, shared by `planted`, `package`, `hub` and `path`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # sources are listed and looked up without reading a model
    from jaxtyping import Float, Int
    from torch import Tensor
    from transformer_lens import HookedTransformer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from scribe_suite.models.check import LogProbabilities


@dataclass(frozen=True)
class Loaded:
    """A model in memory, as its source provides it and as it will be served.

    Attributes:
        original: Computes log-probabilities with the source's own implementation.
        hooked: The same model in TransformerLens' form.
        tokenizer: Its tokenizer, or None where tokens have no text.
    """

    original: LogProbabilities
    hooked: HookedTransformer
    tokenizer: PreTrainedTokenizerBase | None


class ModelSource(ABC):
    """One model and where it comes from.

    Class attributes:
        kind: The part of its specification before the colon.
        form: The part after it, as in ``hub:NAME``.
        meaning: What that part is, for help texts and the documentation.
        needs: The requirements for converting it, in Markdown.

    Args:
        name: The part after the colon.

    Raises:
        ConfigurationError: When the name is not valid.
    """

    kind: ClassVar[str]
    form: ClassVar[str]
    meaning: ClassVar[str]
    needs: ClassVar[str]

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def spec(self) -> str:
        """Its specification, ``kind:name``."""
        return f"{self.kind}:{self.name}"

    @property
    def title(self) -> str:
        """The model's common name, for prompts."""
        return self.name

    @property
    def remedy(self) -> str:
        """The command that makes it usable."""
        return f"`scribe-suite models convert {self.spec}`"

    @abstractmethod
    def origin(self) -> dict[str, str] | None:
        """Identifies the files that a conversion would start from, determined quickly; None when they don't exist.

        A converted model whose recorded origin differs is out of date; one whose origin is gone is still valid.
        """

    def places(self) -> tuple[Path, ...]:
        """Folders and files of this machine that it would be read from, besides the usual stores of models.

        `scribe_suite.models.places` has those.
        """
        return ()

    @abstractmethod
    def load(self) -> Loaded:
        """Read the model.

        Raises:
            ConfigurationError: With one sentence on what to do, when it does not exist or can't be read.
        """


def original_of(model: PreTrainedModel) -> LogProbabilities:
    """Log-probabilities of a transformers model, in nats."""

    def log_probabilities(ids: Int[Tensor, "1 position"]) -> Float[Tensor, "1 position vocabulary"]:
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
        return logits.float().log_softmax(dim=-1)

    return log_probabilities


def served(model: HookedTransformer) -> LogProbabilities:
    """Log-probabilities of a model in TransformerLens' form, in nats."""

    def log_probabilities(ids: Int[Tensor, "1 position"]) -> Float[Tensor, "1 position vocabulary"]:
        logits: Tensor = model(ids, prepend_bos=False)
        return logits.float().log_softmax(dim=-1)

    return log_probabilities
