"""Texts to tokens and back, for language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from ..limits import MAX_PROMPTS, MAX_TOKENS
from .loading import LoadedModel
from .refusal import RefusedError


def tokenize(loaded: LoadedModel, header: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tokens of some texts.

    Args:
        loaded: The model.
        header: ``texts``, and ``bos``: whether the token that begins a text comes first, or None for the model's
            default.

    Returns:
        ``tokens``, padded with zeros on the right, and ``lengths``.

    Raises:
        RefusedError: When it is impossible, or a text is longer than the model's context.
    """
    model, texts, bos = _with_tokenizer(loaded), header.get("texts"), header.get("bos")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RefusedError("Texts are a list of texts.")
    if not 1 <= len(texts) <= MAX_PROMPTS:
        raise RefusedError(f"At least 1 text and at most {MAX_PROMPTS:,} are tokenized at once, not {len(texts):,}.")
    if bos is not None and not isinstance(bos, bool):
        raise RefusedError("bos is true, false or null.")
    first = bool(model.cfg.default_prepend_bos) if bos is None else bos
    rows = []
    for number, text in enumerate(texts):
        if not _is_unicode(text):
            raise RefusedError(f"Text {number} has half a character (a lone surrogate), which no tokenizer takes.")
        row = model.to_tokens(text, prepend_bos=first, truncate=False, move_to_device=False)[0]
        if not 1 <= len(row) <= loaded.sizes.n_ctx:
            raise RefusedError(f"Text {number} has {len(row):,} tokens; a text has from 1 to {loaded.sizes.n_ctx:,}.")
        rows.append(row.long())
    lengths = torch.tensor([len(row) for row in rows])
    if len(rows) * int(lengths.max()) > MAX_TOKENS:
        raise RefusedError(f"The texts have more than {MAX_TOKENS:,} tokens, counting each as the longest one.")
    return {"tokens": torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), "lengths": lengths}


def decode(loaded: LoadedModel, tensors: Mapping[str, Tensor]) -> list[str]:
    """Texts of some tokens.

    Args:
        loaded: The model.
        tensors: ``tokens`` and, where they are padded, ``lengths``, as `tokenize` gives them.

    Raises:
        RefusedError: When it is impossible.
    """
    model = _with_tokenizer(loaded)
    tokens, lengths = tensors.get("tokens"), tensors.get("lengths")
    if tokens is None or tokens.dtype != torch.int64 or tokens.ndim != 2 or tokens.numel() > MAX_TOKENS:
        raise RefusedError(f"Tokens are an int64 tensor with the axes text and position, at most {MAX_TOKENS:,}.")
    if tokens.numel() and (int(tokens.min()) < 0 or int(tokens.max()) >= loaded.sizes.d_vocab):
        raise RefusedError(f"Tokens are numbers from 0 to {loaded.sizes.d_vocab - 1}.")
    if lengths is None:
        lengths = torch.full((len(tokens),), tokens.shape[1])
    if lengths.dtype != torch.int64 or lengths.shape != (len(tokens),):
        raise RefusedError("Lengths are an int64 tensor with one number for each text.")
    rows = [row[: max(int(length), 0)].tolist() for row, length in zip(tokens, lengths, strict=True)]
    # unchanged: no spaces are removed, so that texts of single tokens can be joined
    return [model.tokenizer.decode(row, clean_up_tokenization_spaces=False) for row in rows]


def _is_unicode(text: str) -> bool:
    """Whether it consists of whole characters, which JSON does not guarantee."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_tokenizer(loaded: LoadedModel) -> HookedTransformer:
    if loaded.model.tokenizer is None:
        raise RefusedError("This model reads token ids, not texts.")
    return loaded.model
