"""Prices of tokens, for CLIs that do not report cost: a dated table that the user can replace."""

from __future__ import annotations

import functools
import os
import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.transcript import Tokens

VARIABLE = "SCRIBE_PRICES"
#: The date at the end of a model's name, which identifies a snapshot with the same price.
_SNAPSHOT = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_OURS = Path(__file__).parent / "prices.toml"


class Price(BaseModel):
    """US dollars for a million tokens.

    Attributes:
        cached: The price of input read from a cache; None means the price of input.
        cache_write: The price of input written to a cache; None means the price of input.
    """

    model_config = ConfigDict(extra="forbid")

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def of(self, tokens: Tokens) -> float:
        """The cost in US dollars; reasoning counts as output."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        total = tokens.input * self.input + tokens.cached * cached + tokens.cache_write * written
        return (total + (tokens.output + tokens.reasoning) * self.output) / 1e6


def price_table(path: Path | None = None) -> dict[str, Price]:
    """Prices by model.

    Args:
        path: A TOML file; by default the one named in ``SCRIBE_PRICES``, else ours.

    Raises:
        ConfigurationError: When it can't be read or is not of this form.
    """
    return _read(path or Path(os.environ.get(VARIABLE) or _OURS))


@functools.cache
def _read(path: Path) -> dict[str, Price]:
    try:
        content = tomllib.loads(path.read_text())
        return {name: Price.model_validate(price) for name, price in content.get("models", {}).items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, AttributeError) as error:
        raise ConfigurationError(
            f"The price table {path} can't be read ({error}); it needs a table [models.NAME] with input and output, in "
            "US dollars for a million tokens."
        ) from error


def cost_of(model: str | None, tokens: Tokens | None) -> float | None:
    """The cost in US dollars, or None when the model is not in the table: a cost is never guessed."""
    if model is None or tokens is None:
        return None
    table = price_table()
    price = table.get(model) or table.get(_SNAPSHOT.sub("", model))
    return None if price is None else price.of(tokens)
