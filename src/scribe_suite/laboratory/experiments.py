"""Turns a request into an experiment: everything is checked against the model, the terms and the earlier runs.

The result is canonical: sites sorted, patches in the order of the computation, tensors named by their content.
Equivalent requests have the same key, and are therefore the same run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from scribe_suite.laboratory import sites
from scribe_suite.laboratory.budget import counted
from scribe_suite.laboratory.frames import MAX_TENSORS_OUT
from scribe_suite.laboratory.limits import MAX_PROMPTS, MAX_TOKENS
from scribe_suite.laboratory.patches import PatchReader
from scribe_suite.laboratory.prices import Work
from scribe_suite.laboratory.recipes import Gradient, Recipe, Wanted
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import GradRequest, RunRequest
from scribe_suite.laboratory.runs import Runs
from scribe_suite.laboratory.shape import ModelShape, Unit
from scribe_suite.laboratory.sites import Site, SiteError
from scribe_suite.laboratory.terms import Operation, Returns, Terms

#: Messages for runs that the terms do not allow.
_FORBIDDEN: Mapping[Operation, str] = {
    "read": "Activations can't be read in this laboratory.",
    "pattern": "Attention patterns can't be read in this laboratory.",
    "patch": "This laboratory does not patch with values of other runs, their means or zero.",
    "vector": "This laboratory does not patch with vectors or subspaces of yours.",
    "path": "This laboratory does not patch paths.",
    "grad": "This laboratory gives no gradients.",
}
#: The operation that a patch needs, where that is not ``patch``.
_NEEDED: Mapping[str, Operation] = {"add": "vector", "set": "vector", "subspace": "vector", "path": "path"}
#: The word for prompts, by unit.
_PROMPTS: Mapping[Unit, str] = {
    "prompt": "Prompts are a table of token ids, one row for each prompt, all of one length.",
    "token": "Prompts are texts, or a table of token ids with one row for each prompt; at least one.",
}
#: How many numbers are returned for each position, where that does not depend on the labels.
_WIDTHS: Mapping[Returns, int] = {"labels": 1, "samples": 1, "nothing": 0}
#: Bytes of a returned number.
_ITEM = 4


@dataclass(frozen=True)
class Prompts:
    """The prompts of a run.

    Attributes:
        tokens: Padded on the right with zeros.
        lengths: The lengths of the prompts, or None where all are equally long.
    """

    tokens: Int[np.ndarray, "prompt position"]
    lengths: Int[np.ndarray, " prompt"] | None = None

    @property
    def shortest(self) -> int:
        """The number of positions that every prompt has."""
        return self.tokens.shape[1] if self.lengths is None else int(self.lengths.min())


@dataclass(frozen=True)
class Experiment:
    """A run that can be executed.

    Attributes:
        key: SHA-256; equal for identical runs.
        recipe: Its recipe, which has no name yet.
        needs: Ids of the runs that it patches from.
        wanted: Its results to return.
        work: The facts that its price depends on.
    """

    key: str
    recipe: Recipe
    needs: tuple[str, ...]
    wanted: Wanted
    work: Work


class ExperimentReader:
    """Turns requests into experiments.

    Args:
        shape: The model's shape.
        terms: The attempt's terms.
        runs: The attempt's runs.
        secret: The attempt's secret, which seeds noise and samples.
    """

    def __init__(self, shape: ModelShape, terms: Terms, runs: Runs, secret: bytes) -> None:
        self._shape, self._terms, self._runs, self._secret = shape, terms, runs, secret

    def prompts(self, tensors: Mapping[str, np.ndarray]) -> Prompts:
        """The prompts among the tensors of a request.

        Raises:
            RefusedError: When there are none, or the model can't run them.
        """
        tokens, shape = tensors.get("tokens"), self._shape
        if tokens is None or tokens.dtype.kind not in "iu" or tokens.ndim != 2 or not tokens.size:
            raise RefusedError(_PROMPTS[self._shape.unit])
        n_prompts, n_positions = tokens.shape
        if n_prompts > MAX_PROMPTS or tokens.size > MAX_TOKENS:
            raise RefusedError(
                f"The run has {n_prompts:,} prompts and {tokens.size:,} tokens; at most {MAX_PROMPTS:,} prompts and "
                f"{MAX_TOKENS:,} tokens are allowed."
            )
        if n_positions > shape.n_ctx:
            raise RefusedError(f"The prompts have {n_positions} positions; the model takes {shape.n_ctx}.")
        if int(tokens.min()) < 0 or int(tokens.max()) >= shape.d_vocab:
            raise RefusedError(f"Token ids are numbers from 0 to {shape.d_vocab - 1}.")
        tokens = np.ascontiguousarray(tokens, dtype=np.int64)
        lengths = tensors.get("lengths")
        return Prompts(tokens) if lengths is None else self._padded(tokens, lengths)

    def _padded(self, tokens: Int[np.ndarray, "prompt position"], lengths: np.ndarray) -> Prompts:
        n_prompts, n_positions = tokens.shape
        if self._shape.unit == "prompt":
            raise RefusedError("The prompts of this model all have one length: run others by themselves.")
        if lengths.dtype.kind not in "iu" or lengths.shape != (n_prompts,):
            raise RefusedError("Lengths are one number for each prompt.")
        if int(lengths.min()) < 1 or int(lengths.max()) > n_positions:
            raise RefusedError(f"Lengths are numbers from 1 to {n_positions}, the positions of the tokens.")
        lengths = np.ascontiguousarray(lengths, dtype=np.int64)
        if int(lengths.min()) == n_positions:
            return Prompts(tokens)
        kept = np.arange(n_positions)[None] < lengths[:, None]
        return Prompts(np.where(kept, tokens, 0), lengths)

    def experiment(self, request: RunRequest, prompts: Prompts, tensors: Mapping[str, np.ndarray]) -> Experiment:
        """The requested experiment.

        Args:
            request: The request; its texts have been tokenised already.
            prompts: Its prompts.
            tensors: The request's tensors.

        Raises:
            RefusedError: When it can't be executed, or the terms do not allow it.
        """
        read = self._sites(request.read, prompts)
        grad = self._gradient(request.grad, prompts)
        given = len(read) + (0 if grad is None else len(grad.at))
        most = self._terms.sites_per_run
        if most is not None and given > most:
            raise RefusedError(f"A run gives at most {most} sites in this laboratory, gradients included; not {given}.")
        patches = PatchReader(self._shape, self._runs, prompts.tokens.shape, prompts.shortest, tensors)
        for patch in request.patch:
            self._require(_NEEDED.get(patch.kind, "patch"))
            patches.add(patch)
        patches.require_all_used()
        wanted = self._wanted(request, prompts, read, grad)
        recipe = Recipe("", prompts.tokens, prompts.lengths, patches.in_order(), patches.vectors)
        key = self._key(recipe, wanted)
        seed = hashlib.sha256(self._secret + key.encode()).hexdigest()
        units = len(prompts.tokens)
        if self._shape.unit == "token":
            units = prompts.tokens.size if prompts.lengths is None else int(prompts.lengths.sum())
        work = Work(units, patched=bool(request.patch), gradients=grad is not None, sites=given)
        return Experiment(key, recipe, patches.needs, replace(wanted, seed=seed), work)

    def _require(self, operation: Operation) -> None:
        if operation not in self._terms.operations:
            raise RefusedError(_FORBIDDEN[operation])

    def _site(self, text: str, prompts: Prompts) -> Site:
        try:
            site = sites.parse_site(text)
            sites.check_site(site, self._shape, prompts.shortest)
        except SiteError as error:
            raise RefusedError(str(error)) from None
        return site

    def _sites(self, texts: Sequence[str], prompts: Prompts) -> list[Site]:
        """Sites to read, each once, in the order of the computation."""
        found = {self._site(text, prompts) for text in texts}
        for site in found:
            self._require("pattern" if site.kind == "pattern" else "read")
        return _sorted(found)

    def _gradient(self, request: GradRequest | None, prompts: Prompts) -> Gradient | None:
        if request is None:
            return None
        self._require("grad")
        at = _sorted({self._site(text, prompts) for text in request.at})
        if any(site.kind == "pattern" for site in at):
            self._require("pattern")
        labels = self._label_each(request.of.labels, len(prompts.tokens))
        minus = None if request.of.minus is None else self._label_each(request.of.minus, len(prompts.tokens))
        return Gradient(labels, [str(site) for site in at], minus)

    def _label_each(self, given: int | list[int], count: int) -> list[int]:
        each = [given] * count if isinstance(given, int) else given
        if len(each) != count:
            raise RefusedError(f"The metric of the gradients has {len(each)} labels for {count} prompts.")
        self._check_labels(each)
        return each

    def _check_labels(self, labels: Sequence[int]) -> None:
        if not all(0 <= label < self._shape.d_vocab_out for label in labels):
            raise RefusedError(f"Labels are numbers from 0 to {self._shape.d_vocab_out - 1}.")

    def _wanted(self, request: RunRequest, prompts: Prompts, read: list[Site], grad: Gradient | None) -> Wanted:
        n_positions, outputs, labels = prompts.shortest, request.outputs, request.labels
        if self._terms.positions == "last" and outputs != "last":
            raise RefusedError("This laboratory gives outputs at the last position only: leave outputs= out.")
        if not isinstance(outputs, str) and not 1 <= len(outputs) <= prompts.tokens.shape[1]:
            raise RefusedError("Outputs are 'last', 'all', or a list of positions, no more than there are.")
        if not isinstance(outputs, str) and not all(-n_positions <= at < n_positions for at in outputs):
            known = counted(n_positions, "position")
            raise RefusedError(f"Outputs at a position that is not there: the shortest prompt has {known}.")
        if not isinstance(outputs, str) and len({at % prompts.tokens.shape[1] for at in outputs}) < len(outputs):
            raise RefusedError("The outputs name one position twice.")  # two draws for the price of one
        if labels is not None:
            if self._terms.returns in ("labels", "samples"):
                # a sample among a few ids that an agent names has hardly any noise
                raise RefusedError("This laboratory returns one id out of all: labels= can't restrict them.")
            self._check_labels(labels)
            if len(set(labels)) < len(labels):
                raise RefusedError("The labels of the outputs name one id twice.")
        self._check_size(prompts, [*read, *map(sites.parse_site, grad.at if grad else ())], outputs, labels)
        terms = self._terms
        return Wanted(
            read=[str(site) for site in read],
            outputs=outputs,
            labels=labels,
            grad=grad,
            returns=terms.returns,
            temperature=terms.temperature,
            decimals=terms.decimals,
            read_noise=terms.read_noise,
        )

    def _check_size(
        self, prompts: Prompts, given: Sequence[Site], outputs: str | list[int], labels: list[int] | None
    ) -> None:
        n_prompts, n_positions = prompts.tokens.shape
        each = _WIDTHS.get(self._terms.returns)
        if each is None:
            each = len(labels or ()) or self._shape.d_vocab_out
        positions = {"last": 1, "all": n_positions}[outputs] if isinstance(outputs, str) else len(outputs)
        size = n_prompts * positions * each * (2 * _ITEM if each == 1 else _ITEM)
        for site in given:
            size += _ITEM * int(np.prod(sites.value_shape(site, self._shape, n_prompts, n_positions), dtype=np.int64))
        if size > MAX_TENSORS_OUT - (1 << 20):  # names and shapes need some, too
            raise RefusedError(
                f"The run would return {size >> 20} MiB; at most {(MAX_TENSORS_OUT >> 20) - 1} are allowed: read fewer "
                "sites, name positions, or run fewer prompts at a time."
            )

    def _key(self, recipe: Recipe, wanted: Wanted) -> str:
        """Equal for identical runs; runs that it refers to enter with their keys, independently of their ids."""
        patches = [
            {**patch, "run": self._runs.get(patch["run"]).key} if "run" in patch else patch for patch in recipe.patches
        ]
        grad = wanted.grad
        canonical: dict[str, Any] = {
            "tokens": [list(recipe.tokens.shape), hashlib.sha256(recipe.tokens.tobytes()).hexdigest()],
            "lengths": None if recipe.lengths is None else recipe.lengths.tolist(),
            "patches": patches,
            "read": list(wanted.read),
            "grad": None if grad is None else [list(grad.labels), grad.minus, list(grad.at)],
            "outputs": wanted.outputs,
            "labels": wanted.labels,
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def _sorted(found: set[Site]) -> list[Site]:
    return sorted(found, key=lambda site: (site.order, str(site)))
