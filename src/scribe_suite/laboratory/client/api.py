"""The laboratory: it runs a model for you, at a price, and you choose the experiments.

    import lab
    lab.shape                    # sizes of the model
    lab.sites()                  # what can be read and patched
    lab.budget                   # what is left
    lab.terms                    # what this laboratory grants

    base = lab.run(prompts)                                  # token ids: one row for each prompt
    base.logits                                              # at the last position: [prompt, label]
    run = lab.run(prompts, read=["a1.h0", "resid_post.0@-1"])
    run["a1.h0"]                                             # [prompt, position, d_model]
    lab.run(prompts, patch=[lab.interchange("m0", base)])    # the MLP has what it had in the run `base`

Sites are texts: ``embed``, ``resid_pre.L``, ``resid_mid.L``, ``resid_post.L`` (the residual stream), ``aL.hH`` (what a
head writes into it), ``mL`` (an MLP), ``q.L.H`` ``k.L.H`` ``v.L.H`` ``z.L.H`` (within a head), ``pattern.L.H``
(attention, read only), ``neurons.L`` (all of an MLP), ``L2.N15`` (one neuron). ``@3`` or ``@-1`` behind a site means
that position only.

Patches: `interchange`, `zero`, `mean`, `add`, `set_to`, `subspace`, `path`. They are applied in the order of the
computation. A run that patches from another one names it: the object, or its id ("r7"), which is valid in all sessions.

Gradients: ``run = lab.run(prompts, grad_of=lab.logit(right, minus=wrong), grad_at=["m0"])``, then ``run.grad["m0"]``.

Language models take texts as well: ``lab.run("The capital of France is")``; see `tokenize` and `decode`. A large run
may take longer than a cell may, and goes on without it: run it again, which is free, to wait for its result.

Every run has a price: for each prompt (planted models) or token (language models) 1; 1 more with patches; 2 more with
gradients; 1 more for each started 4 sites beyond the first 4. ``lab.price(...)`` takes the arguments of `run` and says
it beforehand. A run that does not fit the budget is refused whole. A run that is identical to an earlier one is free
and gives identical values, so nothing is lost with a variable or a session. What is refused raises `LabError` before
anything is run, and is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from scribe_suite.laboratory.client.place import DESCRIPTOR
from scribe_suite.laboratory.client.values import (
    Budget,
    Metric,
    Patch,
    Price,
    Run,
    SiteValues,
    floats,
    ids,
    whole_numbers,
)
from scribe_suite.laboratory.client.wire import Connection, LabError

#: What `help` shows. The classes of what functions take and give need no page of their own, but for a run.
__all__ = [
    "LabError", "Run", "add", "decode", "interchange", "logit", "mean", "path",
    "price", "run", "set_to", "sites", "subspace", "tokenize", "zero",
]  # fmt: skip

#: What the laboratory tells once, and is found here under the same name.
_TOLD = ("terms", "shape", "prices")
#: Of gradients among the tensors of an answer.
_GRADIENT = "grad/"
#: The only one, also after a reload of the module.
_connection: Connection = globals().get("_connection") or Connection(DESCRIPTOR)
_told: dict[str, Any] = {}

Prompts = Tensor | Sequence[Sequence[int]] | Sequence[str] | str
Outputs = Literal["last", "all"] | Sequence[int]
Source = Run | str


def run(
    tokens: Prompts,
    read: Sequence[str] | str = (),
    patch: Sequence[Patch] | Patch = (),
    *,
    grad_of: Metric | None = None,
    grad_at: Sequence[str] | str = (),
    outputs: Outputs = "last",
    labels: Sequence[int] | None = None,
) -> Run:
    """Run prompts through the model.

    Args:
        tokens: Token ids, one row for each prompt, or texts (language models).
        read: Sites whose values come back; a site without a position at all positions, for the price of one. Prompts
            that are shorter than the longest are filled up at the end.
        patch: Changes of the run.
        grad_of: What gradients are of; see `logit`.
        grad_at: Sites whose gradients come back.
        outputs: Positions whose outputs come back: the last, all, or a list, where a laboratory gives them.
        labels: The only ids whose numbers come back, where a laboratory returns numbers; all by default.

    Raises:
        LabError: When it is refused; it costs nothing then.
    """
    header, tensors = _request(tokens, read, patch, grad_of, grad_at, outputs, labels)
    answer, values = _connection.ask({"op": "run", **header}, tensors)
    # in the order in which they were asked for
    at = dict.fromkeys(header["grad"]["at"] if "grad" in header else ())
    return Run(
        id=str(answer["run"]),
        price=int(answer["price"]),
        left=int(answer["left"]),
        repeated=bool(answer["repeated"]),
        returns=str(answer["returns"]),
        outputs=values["outputs"],
        read=SiteValues({name: values[name] for name in dict.fromkeys(header["read"])}, "read"),
        grad=SiteValues({name: values[_GRADIENT + name] for name in at}, "grad_at"),
    )


def price(
    tokens: Prompts,
    read: Sequence[str] | str = (),
    patch: Sequence[Patch] | Patch = (),
    *,
    grad_of: Metric | None = None,
    grad_at: Sequence[str] | str = (),
    outputs: Outputs = "last",
    labels: Sequence[int] | None = None,
) -> Price:
    """What `run` with the same arguments would cost; this is free.

    Raises:
        LabError: When the run would be refused for anything but its price.
    """
    header, tensors = _request(tokens, read, patch, grad_of, grad_at, outputs, labels)
    answer, _ = _connection.ask({"op": "price", **header}, tensors)
    return Price(int(answer["price"]), int(answer["left"]), bool(answer["repeated"]))


def interchange(site: str, run: Source, prompt: int | Sequence[int] | None = None) -> Patch:
    """At a site, the value of another run.

    Args:
        site: What is patched. A head is patched as a whole: what it writes, and the `z` that it writes it with.
        run: The other run.
        prompt: Which of its prompts: one for all, one for each, or None for prompt by prompt.
    """
    return Patch({"kind": "interchange", "site": site, "run": _id(run), "prompt": _choice(prompt)})


def zero(site: str) -> Patch:
    """At a site, nothing."""
    return Patch({"kind": "zero", "site": site})


def mean(site: str, run: Source) -> Patch:
    """At a site, the mean of another run over its prompts, position by position."""
    return Patch({"kind": "mean", "site": site, "run": _id(run)})


def add(site: str, vector: Any) -> Patch:
    """At a site, a vector on top of what is there: one for all prompts, or one row for each."""
    return Patch({"kind": "add", "site": site}, "vector", floats(vector, f"The vector for {site}"))


def set_to(site: str, vector: Any) -> Patch:
    """At a site, a vector in place of what is there: one for all prompts, or one row for each."""
    return Patch({"kind": "set", "site": site}, "vector", floats(vector, f"The vector for {site}"))


def subspace(site: str, basis: Any, run: Source, prompt: int | Sequence[int] | None = None) -> Patch:
    """At a site, the value of another run within the space of some directions, and what is there in all others.

    Args:
        site: What is patched.
        basis: Directions as columns, [width of the site, directions]; they need not be orthonormal.
        run: The other run.
        prompt: As in `interchange`.
    """
    fields = {"kind": "subspace", "site": site, "run": _id(run), "prompt": _choice(prompt)}
    return Patch(fields, "Q", floats(basis, f"The basis for {site}"))


def path(site: str, to: str, run: Source, prompt: int | Sequence[int] | None = None) -> Patch:
    """What one receiver reads of a sender is that of another run; everybody else reads what is there.

    Args:
        site: The sender: ``embed``, ``aL.hH``, ``mL`` or ``LL.NN``.
        to: The receiver: ``q.L.H``, ``k.L.H``, ``v.L.H``, ``mL`` or ``logits``.
        run: The other run.
        prompt: As in `interchange`.
    """
    return Patch({"kind": "path", "site": site, "to": to, "run": _id(run), "prompt": _choice(prompt)})


def logit(labels: int | Sequence[int], minus: int | Sequence[int] | None = None) -> Metric:
    """For `grad_of`: the logit of a label at the last position, less that of another one.

    Args:
        labels: One id for all prompts, or one for each.
        minus: The same, or None.
    """
    return Metric(ids(labels, "Labels"), None if minus is None else ids(minus, "Labels"))


def sites() -> list[str]:
    """Names of all sites that runs may use, in the order of the computation; single neurons are not listed."""
    return list(_hello()["sites"])


def tokenize(texts: Sequence[str] | str, *, bos: bool | None = None) -> list[Any]:
    """Token ids of texts, as lists; of one text, one list. Free; language models only.

    Args:
        texts: One or more.
        bos: Whether the token that begins a text comes first. None does as `run` does with texts, which for most models
            is True; False gives the ids of single words, to be labels: ``lab.tokenize(" Paris", bos=False)``.
    """
    _, tensors = _connection.ask({"op": "tokenize", "texts": _texts(texts), "bos": bos}, {})
    rows = [row[:length] for row, length in zip(tensors["tokens"].tolist(), tensors["lengths"].tolist(), strict=True)]
    return rows[0] if isinstance(texts, str) else rows


def decode(tokens: Tensor | Sequence[Any]) -> Any:
    """Texts of token ids; of one list of ids, one text. Free; language models only."""
    prompts, single = _prompts(tokens)
    answer, _ = _connection.ask({"op": "decode"}, prompts)
    return answer["texts"][0] if single else answer["texts"]


def __getattr__(name: str) -> Any:
    """What is asked of the laboratory when it is looked at: `budget`, `terms`, `shape`, `prices`."""
    if name == "budget":
        answer, _ = _connection.ask({"op": "budget"}, {})
        return Budget(answer["spent"], answer["left"], answer["total"], answer["unit"])
    if name in _TOLD:
        return _hello()[name]
    raise AttributeError(f"the laboratory has no {name!r}; help(lab) says what it has")


def __dir__() -> list[str]:
    return [*__all__, "budget", *_TOLD]


def _hello() -> dict[str, Any]:
    """What is told once, and does not change."""
    if not _told:
        _told.update(_connection.ask({"op": "hello"}, {})[0])
    return _told


def _request(
    tokens: Prompts,
    read: Sequence[str] | str,
    patch: Sequence[Patch] | Patch,
    grad_of: Metric | None,
    grad_at: Sequence[str] | str,
    outputs: Outputs,
    labels: Sequence[int] | None,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    header: dict[str, Any] = {"read": _listed(read)}
    tensors: dict[str, Tensor] = {}
    if _has_texts(tokens):
        header["texts"] = _texts(tokens)
    else:
        tensors |= _prompts(tokens)[0]
    header["patch"] = []
    for number, each in enumerate([patch] if isinstance(patch, Patch) else patch):
        if not isinstance(each, Patch):
            raise LabError(f"A patch is made by lab.interchange, lab.zero and so on, not a {type(each).__name__}.")
        fields = dict(each.fields)
        if each.tensor is not None and each.value is not None:
            fields[each.tensor] = f"patch{number}"
            tensors[f"patch{number}"] = each.value
        header["patch"].append(fields)
    grad_at = _listed(grad_at)
    if (grad_of is None) != (not grad_at):
        raise LabError("Gradients need both grad_of=lab.logit(...) and grad_at=[sites].")
    if grad_of is not None:
        if not isinstance(grad_of, Metric):
            raise LabError(f"grad_of is made by lab.logit, not a {type(grad_of).__name__}.")
        header["grad"] = {"of": {"labels": grad_of.labels, "minus": grad_of.minus}, "at": grad_at}
    header["outputs"] = outputs if isinstance(outputs, str) else _id_list(outputs, "Positions of outputs")
    header["labels"] = None if labels is None else _id_list(labels, "Labels")
    return header, tensors


def _prompts(tokens: Any) -> tuple[dict[str, Tensor], bool]:
    """Token ids as tensors, and whether it was one prompt by itself; prompts of several lengths are filled up."""
    if isinstance(tokens, list | tuple) and tokens and all(hasattr(row, "__len__") for row in tokens):
        rows = [whole_numbers(row, "Token ids") for row in tokens]
        lengths = [len(row) if row.ndim == 1 else -1 for row in rows]
        if 0 in lengths:
            raise LabError(f"Prompt {lengths.index(0)} has no tokens; a prompt has at least one.")
        if min(lengths) >= 0 and len(set(lengths)) > 1:
            padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            return {"tokens": padded, "lengths": torch.tensor(lengths)}, False
        if min(lengths) >= 0:
            return {"tokens": torch.stack(rows)}, False
    tensor = whole_numbers(tokens, "Token ids")
    return {"tokens": tensor[None] if tensor.ndim == 1 else tensor.contiguous()}, tensor.ndim == 1


def _has_texts(prompts: Any) -> bool:
    if isinstance(prompts, Tensor | Mapping) or not isinstance(prompts, Iterable):
        return False
    return isinstance(prompts, str) or any(isinstance(each, str) for each in prompts)


def _texts(texts: Any) -> list[str]:
    listed = [texts] if isinstance(texts, str) else list(texts)
    if not all(isinstance(text, str) for text in listed):
        raise LabError("Prompts are either all texts or all token ids.")
    return listed


def _listed(names: Iterable[str] | str) -> list[str]:
    listed = [names] if isinstance(names, str) else list(names)
    if not all(isinstance(name, str) for name in listed):
        raise LabError("Sites are strings such as 'resid_post.0'.")
    return listed


def _id(run: Source) -> str:
    name = run.id if isinstance(run, Run) else run
    if not isinstance(name, str):
        raise LabError(f"A patch takes values of a run or of its id such as 'r1', not of a {type(run).__name__}.")
    return name


def _choice(prompt: int | Sequence[int] | None) -> int | list[int] | None:
    return None if prompt is None else ids(prompt, "Prompts of a run")


def _id_list(values: Any, what: str) -> list[int]:
    listed = ids(values, what)
    return [listed] if isinstance(listed, int) else listed
