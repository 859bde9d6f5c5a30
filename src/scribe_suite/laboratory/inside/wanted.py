"""Validates the results that a request wants, and converts outputs and values before they are returned."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..frames import MAX_TENSORS_OUT
from ..sites import Site, block_of, value_shape
from .loading import ModelSizes
from .refusal import RefusedError
from .runs import Run, checked_site

RETURNS = ("logits", "log_probs", "labels", "samples", "nothing")
#: Prefix of the names of gradients among the tensors of a reply.
GRADIENT = "grad/"
OUTPUTS = "outputs"
MAX_DECIMALS = 12
_FLOAT_BYTES, _LABEL_BYTES = 4, 8


@dataclass(frozen=True)
class Gradient:
    """A difference of logits at the last position, and the sites of its gradients."""

    at: tuple[Site, ...]
    labels: Int[Tensor, " prompt"]
    minus: Int[Tensor, " prompt"] | None


@dataclass(frozen=True)
class Wanted:
    """The wanted results of a run; see `recipes.Wanted` of the package.

    Attributes:
        read: Sites.
        index: Positions of outputs, for each prompt.
        one_position: Whether outputs have no axis for positions.
        labels: The only ids that count, or None.
        gradient: The gradients, or None.
        returns: One of `RETURNS`.
        temperature: The temperature at which samples are drawn.
        decimals: Decimals to round to, or None.
        read_noise: Share of the root mean square.
        seed: Seeds noise and samples.
    """

    read: tuple[Site, ...]
    index: Int[Tensor, "prompt output"]
    one_position: bool
    labels: Int[Tensor, " label"] | None
    gradient: Gradient | None
    returns: str
    temperature: float
    decimals: int | None
    read_noise: float
    seed: str

    def outputs(
        self, logits: Float[Tensor, "prompt output d_vocab_out"], uniform: Float[Tensor, "prompt output"]
    ) -> Tensor:
        """The outputs for some prompts.

        Args:
            logits: The logits at the positions of `index`.
            uniform: The numbers of `uniform` at the same positions; they determine samples.
        """
        if self.returns == "nothing":  # what is read is all there is
            return logits.cpu()[..., :0]
        if self.returns == "log_probs":
            logits = logits.log_softmax(-1)
        if self.labels is not None:
            logits = logits[..., self.labels.to(logits.device)]
        if self.returns in ("logits", "log_probs"):
            return logits.cpu()
        if self.returns == "labels" or self.temperature == 0:
            chosen = logits.argmax(-1).cpu()
        else:
            scaled = (logits - logits.amax(-1, keepdim=True)).double().cpu() / self.temperature
            # without a valid distribution, something is drawn anyway: a refusal would reveal for free what the model
            # computed
            up_to = scaled.nan_to_num(nan=0.0, posinf=0.0).softmax(-1).cumsum(-1)
            chosen = torch.searchsorted(up_to, uniform[..., None] * up_to[..., -1:], right=True)[..., 0]
            chosen = chosen.clamp(max=logits.shape[-1] - 1)
        return chosen if self.labels is None else self.labels[chosen]

    def uniform(self, run: Run) -> Float[Tensor, "prompt position"]:
        """A random number for each position, so that a position that is named twice has one sample."""
        generator = self._generator(OUTPUTS.encode())
        return torch.rand(run.n_prompts, run.n_positions, dtype=torch.float64, generator=generator)

    def kept(self, site: Site) -> Site:
        """The part of a read site that must be kept: with noise, the whole site, for the same noise under any name.

        Otherwise naming every position in addition to the site would give two readings of each for the price of one.
        """
        return site.everywhere if self.read_noise else site

    def scale(self, site: Site, sizes: ModelSizes) -> tuple[Site, ...]:
        """The sites whose size determines the noise at one: for a head or a neuron, those of its whole block.

        Noise relative to the size of a part would reveal whether the part is active, one prompt at a time, however
        large the noise was. Without noise there are none.
        """
        return block_of(site, sizes) if self.read_noise else ()

    def noisy(self, name: str, value: Tensor, size: float) -> Tensor:
        """The values at a whole site, with noise.

        Args:
            name: Of the values.
            value: The values.
            size: The root mean square that the noise is a share of.

        The values seed the noise: reading several sites that always have the same value, such as ``resid_post.0`` and
        ``resid_pre.1``, or gradients at the heads of a block, reveals no more than reading one. This does not hold for
        zero everywhere, where equal noise at two neurons would tell that both are silent.
        """
        if not self.read_noise:
            return value
        exact = value.double()
        what = value.contiguous().numpy().tobytes() if value.any() else name.encode()
        generator = self._generator(hashlib.sha256(what).digest())
        return exact + self.read_noise * size * torch.randn(exact.shape, dtype=exact.dtype, generator=generator)

    def rounded(self, value: Tensor) -> Tensor:
        """A tensor as it is returned.

        Values that are not finite are unchanged: a refusal would reveal for free what the model computed.
        """
        if not value.is_floating_point():
            return value.contiguous()
        exact = value.double()
        if self.decimals is not None:
            exact = exact.round(decimals=self.decimals)
        return (exact.float() + 0.0).contiguous()  # no negative zeros, which rounding makes

    def _generator(self, purpose: bytes) -> torch.Generator:
        """Random numbers for one purpose, the same for the same seed."""
        digest = hashlib.sha256(self.seed.encode() + b"/" + purpose).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def parse_wanted(wanted: object, run: Run, sizes: ModelSizes) -> Wanted:
    """The wanted results of a run.

    Args:
        wanted: As `recipes.run_message` of the package writes it.
        run: The run.
        sizes: The model's sizes.

    Raises:
        RefusedError: When it is invalid, or the results would be too large.
    """
    if not isinstance(wanted, dict):
        raise RefusedError("A request says what is wanted.")
    index, one_position = _positions(wanted.get("outputs", "last"), run)
    returns = wanted.get("returns", "logits")
    if returns not in RETURNS:
        raise RefusedError(f"Outputs are returned as {', '.join(RETURNS)}.")
    labels = wanted.get("labels")
    decimals = wanted.get("decimals")
    if decimals is not None and not (type(decimals) is int and 0 <= decimals <= MAX_DECIMALS):
        raise RefusedError(f"Decimals are a number from 0 to {MAX_DECIMALS}.")
    seed = wanted.get("seed", "")
    if not isinstance(seed, str):
        raise RefusedError("A seed is a text.")
    checked = Wanted(
        read=_sites(wanted.get("read", []), run, sizes),
        index=index,
        one_position=one_position,
        labels=None if labels is None else _ids(labels, sizes),
        gradient=_gradient(wanted.get("grad"), run, sizes),
        returns=returns,
        temperature=_not_negative("temperature", wanted.get("temperature", 1.0)),
        decimals=decimals,
        read_noise=_not_negative("read_noise", wanted.get("read_noise", 0.0)),
        seed=seed,
    )
    _check_size(checked, run, sizes)
    return checked


def _positions(outputs: object, run: Run) -> tuple[Int[Tensor, "prompt output"], bool]:
    if outputs == "last":
        return run.index(-1)[:, None], True
    if outputs == "all":
        return torch.arange(run.n_positions).expand(run.n_prompts, -1), False
    if not isinstance(outputs, list) or not 1 <= len(outputs) <= run.n_positions:
        raise RefusedError("Outputs are wanted at 'last', 'all', or a list of positions.")
    if not all(type(position) is int and -run.shortest <= position < run.shortest for position in outputs):
        raise RefusedError(f"Positions of outputs are numbers from {-run.shortest} to {run.shortest - 1}.")
    return torch.stack([run.index(position) for position in outputs], dim=1), False


def _sites(names: object, run: Run, sizes: ModelSizes) -> tuple[Site, ...]:
    if not isinstance(names, list):
        raise RefusedError("Sites are a list of texts.")
    return tuple(dict.fromkeys(checked_site(name, run, sizes) for name in names))


def _ids(labels: object, sizes: ModelSizes) -> Int[Tensor, " label"]:
    if not isinstance(labels, list) or not all(type(one) is int and 0 <= one < sizes.d_vocab_out for one in labels):
        raise RefusedError(f"Labels are a list of numbers from 0 to {sizes.d_vocab_out - 1}.")
    if not labels or len(set(labels)) < len(labels):
        raise RefusedError("Labels are a list of different numbers.")
    return torch.tensor(labels)


def _gradient(grad: object, run: Run, sizes: ModelSizes) -> Gradient | None:
    if grad is None:
        return None
    if not isinstance(grad, dict):
        raise RefusedError("Gradients are wanted of labels at sites.")
    at = _sites(grad.get("at"), run, sizes)
    if not at:
        raise RefusedError("Gradients are wanted at no site.")
    return Gradient(at, _one_each(grad.get("labels"), run, sizes), _minus(grad, run, sizes))


def _minus(grad: Mapping[str, Any], run: Run, sizes: ModelSizes) -> Int[Tensor, " prompt"] | None:
    return None if grad.get("minus") is None else _one_each(grad["minus"], run, sizes)


def _one_each(labels: object, run: Run, sizes: ModelSizes) -> Int[Tensor, " prompt"]:
    if (
        not isinstance(labels, list)
        or len(labels) != run.n_prompts
        or not all(type(one) is int and 0 <= one < sizes.d_vocab_out for one in labels)
    ):
        raise RefusedError(
            f"Labels of gradients are a list of {run.n_prompts} numbers from 0 to {sizes.d_vocab_out - 1}."
        )
    return torch.tensor(labels)


def _not_negative(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise RefusedError(f"The {name} is a number that is not negative.")
    return float(value)


def _check_size(wanted: Wanted, run: Run, sizes: ModelSizes) -> None:
    """Refuse results that are too large for a frame, before they are computed."""
    named = (*wanted.read, *(wanted.gradient.at if wanted.gradient else ()))
    sites = dict.fromkeys(map(wanted.kept, named))  # no more than is returned, except with noise
    size = sum(_FLOAT_BYTES * math.prod(value_shape(site, sizes, run.n_prompts, run.n_positions)) for site in sites)
    if wanted.returns in ("labels", "samples"):
        size += _LABEL_BYTES * wanted.index.numel()
    elif wanted.returns != "nothing":
        n_labels = sizes.d_vocab_out if wanted.labels is None else len(wanted.labels)
        size += _FLOAT_BYTES * wanted.index.numel() * n_labels
    if size > MAX_TENSORS_OUT - (1 << 20):  # names and shapes go along
        raise RefusedError(
            f"The run would return {size:,} bytes, and {MAX_TENSORS_OUT >> 20} MiB can be: take fewer prompts, or name "
            "positions and labels."
        )
