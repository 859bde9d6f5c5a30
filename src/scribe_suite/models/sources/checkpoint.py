"""Models on the hub that are PyTorch checkpoints in TransformerLens' own form, which transformers can't read.

Two kinds: the toy language models that TransformerLens knows by name (``solu-1l``, ``attn-only-2l``, ...: a repository
each, with ``config.json`` and a file ``..._final.pth``), and InterpBench (Gupta et al. 2024, arXiv 2407.14494: one
repository of many cases, whose configurations are in ``benchmark_metadata.json``). A checkpoint is a pickle: only
tensors are read from it, so that none of its code runs.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stderr
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_mingpt_weights, convert_neel_solu_old_weights
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.sources.base import Loaded, served

TOYS = ("NeelNanda/", "ArthurConmy/", "Baidicoot/")
INTERPBENCH = "cybershiptrooper/InterpBench"
_CASES = "benchmark_metadata.json"
_KNOWN = frozenset(field.name for field in fields(HookedTransformerConfig)) - {"device", "seed", "init_weights"}
#: Older checkpoints, whose parameters have other names, by the architecture in their configuration.
_CONVERTED = {"neel-solu-old": convert_neel_solu_old_weights, "mingpt": convert_mingpt_weights}
#: Names of fields in configurations of the toy models, where they differ from TransformerLens' present ones.
_RENAMED = {"normalization": "normalization_type", "architecture": "original_architecture"}


def is_checkpoint(repository: str) -> bool:
    """Whether a name on the hub is that of such a checkpoint."""
    return repository.startswith((*TOYS, INTERPBENCH))


def checkpoint_origin(repository: str) -> dict[str, str] | None:
    """The revision in the local cache; None when it is not cached."""
    found = try_to_load_from_cache(_split(repository)[0], _CASES if _is_interpbench(repository) else "config.json")
    return {"revision": Path(found).parent.name} if isinstance(found, str) else None


def load_checkpoint(repository: str) -> Loaded:
    """Read a checkpoint from the local hub cache, or download it first.

    The original, which the conversion is compared with, is the model as it was published; toys that are language models
    are then processed as `HookedTransformer.from_pretrained` does by default, cases of InterpBench are left alone.

    Args:
        repository: Name on the hub; for InterpBench with the case behind it, ``cybershiptrooper/InterpBench/11``.

    Raises:
        ConfigurationError: When it can't be found or read.
    """
    try:
        return _load(repository, local=True)
    except ConfigurationError as error:
        if constants.HF_HUB_OFFLINE:
            raise ConfigurationError(
                f"hub:{repository} is not in the local hub cache, and HF_HUB_OFFLINE forbids to ask the hub: unset it. "
                f"({error})"
            ) from error
    return _load(repository, local=False)


def _load(repository: str, *, local: bool) -> Loaded:
    if _is_interpbench(repository):
        config, weights = _interpbench_case(repository, local)
        model = _filled(config, _tensors(weights), None)
        return Loaded(served(model), model, None)
    folder = _files(repository, ["config.json", "*final.pth"], local)
    config, tokenizer_name = _toy_config(_json(folder / "config.json"), repository)
    tokenizer = None if tokenizer_name is None else _tokenizer(tokenizer_name, local)
    found = sorted(folder.rglob("*final.pth"))
    if not found:
        raise ConfigurationError(f"{repository} has no file of weights that ends in final.pth.")
    state = _tensors(found[0])
    if config.original_architecture in _CONVERTED:
        state = _CONVERTED[config.original_architecture](state, config)
    original = _filled(config, state, tokenizer)
    hooked = _filled(copy.deepcopy(config), state, tokenizer)
    hooked.process_weights_(
        fold_ln=True, center_writing_weights=True, center_unembed=True, refactor_factored_attn_matrices=False
    )
    return Loaded(served(original), hooked.eval(), tokenizer)


def _is_interpbench(repository: str) -> bool:
    return repository.startswith(INTERPBENCH)


def _split(repository: str) -> tuple[str, str]:
    """Repository on the hub, and the case in it, which only InterpBench has."""
    if not _is_interpbench(repository):
        return repository, ""
    return INTERPBENCH, repository.removeprefix(INTERPBENCH).strip("/")


def _interpbench_case(repository: str, local: bool) -> tuple[HookedTransformerConfig, Path]:
    """Configuration of a case, and the path of its weights."""
    name, wanted = _split(repository)
    listed = _json(_files(name, [_CASES], local) / _CASES).get("cases", [])
    cases = {str(case.get("case_id")): case for case in listed if isinstance(case, dict)}
    case = cases.get(wanted)
    if case is None:
        known = ", ".join(cases) or "none"
        raise ConfigurationError(f"InterpBench has no case {wanted!r}: write hub:{name}/CASE with one of {known}.")
    files = [str(file.get("file_name")) for file in case.get("files", []) if isinstance(file, dict)]
    weights = [file for file in files if Path(file).name.startswith("ll_model") and file.endswith(".pth")]
    if not weights or not isinstance(case.get("transformer_cfg"), dict):
        raise ConfigurationError(f"{_CASES} of {name} names no weights or no configuration for the case {wanted!r}.")
    return _config(case["transformer_cfg"], repository), _files(name, weights[:1], local) / weights[0]


def _toy_config(given: Mapping[str, Any], repository: str) -> tuple[HookedTransformerConfig, str | None]:
    """Configuration of a toy language model, and the name of its tokenizer."""
    values = {_RENAMED.get(name, name): value for name, value in given.items()}
    kind = "neel-solu-old" if "_old" in repository else "neel"
    values = {"original_architecture": kind, **values, "model_name": repository.partition("/")[2]}
    if values.pop("shortformer_pos", False):
        values["positional_embedding_type"] = "shortformer"
    tokenizer = values.pop("tokenizer_name", None)
    return _config(values, repository), tokenizer


def _config(values: Mapping[str, Any], repository: str) -> HookedTransformerConfig:
    """The configuration for TransformerLens; fields that it no longer knows are left out."""
    plain = {
        name: value
        for name, value in values.items()
        if name in _KNOWN and isinstance(value, str | int | float | bool | list | None)
    }
    plain.pop("dtype", None)
    try:
        return HookedTransformerConfig(**plain, device="cpu", init_weights=False)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigurationError(f"The configuration of {repository} can't be used: {error}.") from error


def _filled(
    config: HookedTransformerConfig, state: Mapping[str, Tensor], tokenizer: PreTrainedTokenizerBase | None
) -> HookedTransformer:
    """A model with these weights, unprocessed.

    Raises:
        ConfigurationError: When they do not fit.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # 3.9.0 announces 4.0; see planting.hooked
        model = HookedTransformer(config, tokenizer, move_to_device=False)
    wanted = {name: value.shape for name, value in model.named_parameters()}
    wrong = [name for name, shape in wanted.items() if name not in state or state[name].shape != shape]
    if wrong:
        raise ConfigurationError(
            f"The weights of {config.model_name} do not fit its configuration: {', '.join(wrong[:3])}."
        )
    model.load_state_dict({name: state[name].float() for name in wanted}, strict=False)
    return model.eval()


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        read = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file, or one that holds more than tensors
        reason = str(error).splitlines()[0][:200]
        raise ConfigurationError(f"{path.name} is not a plain checkpoint of tensors ({reason}).") from error
    if not isinstance(read, dict) or not all(isinstance(value, Tensor) for value in read.values()):
        raise ConfigurationError(f"{path.name} is not a plain checkpoint of tensors.")
    return read


def _files(repository: str, patterns: list[str], local: bool) -> Path:
    try:
        with redirect_stderr(StringIO()) if local else nullcontext():
            place = snapshot_download(repository, allow_patterns=patterns, local_files_only=local)
    except Exception as error:  # of many kinds: no such repository, no network, not in the cache
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"{repository} can't be obtained ({type(error).__name__}: {reason}).") from error
    folder = Path(place)
    missing = [name for name in patterns if "*" not in name and not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(f"{', '.join(missing)} of {repository} can't be obtained.")
    return folder


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path.name} can't be read: {error}.") from error
    if not isinstance(read, dict):
        raise ConfigurationError(f"{path.name} is not what it should be: a JSON object.")
    return read


def _tokenizer(name: str, local: bool) -> PreTrainedTokenizerBase:
    folder = _files(name, ["*.json", "*.txt", "*.model"], local)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"The tokenizer {name} can't be read ({type(error).__name__}: {reason}).") from error
    return tokenizer
