"""Where model weights are stored on this machine: places that are hidden from agents whose model is in a laboratory.

The search covers known places, not files: a copy of a model elsewhere, in a system folder for example, is not found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scribe_suite.models.sources.package import PACKAGED, installed_folders
from scribe_suite.models.spec import parse
from scribe_suite.paths import user_cache

#: Programs that store models for a user, and where: environment variables first. A place whose variable is not set is
#: ignored.
STORES: Mapping[str, tuple[str, ...]] = {
    "Hugging Face": (
        "$HF_HOME", "$HF_HUB_CACHE", "$HUGGINGFACE_HUB_CACHE", "$TRANSFORMERS_CACHE", "$XDG_CACHE_HOME/huggingface",
        "~/.cache/huggingface",
    ),
    "PyTorch": ("$TORCH_HOME", "$XDG_CACHE_HOME/torch", "~/.cache/torch"),
    "Ollama": ("$OLLAMA_MODELS", "~/.ollama", "/usr/share/ollama"),
    "llama.cpp": ("$LLAMA_CACHE", "$XDG_CACHE_HOME/llama.cpp", "~/.cache/llama.cpp"),
    "LM Studio": ("~/.lmstudio", "~/.cache/lm-studio"),
}  # fmt: skip


def places_of_weights(specs: Iterable[str] = ()) -> tuple[Path, ...]:
    """The existing folders and files of this machine with weights of models.

    They are the suite's cache (converted models, and measurements made on them), all models carried by packages, the
    stores of other programs, and the originals of the given models.

    Args:
        specs: Specifications of models: those of all tasks of a run.

    Returns:
        Absolute paths without links, none below another one.

    Raises:
        ConfigurationError: When a specification names no model.
    """
    found = [user_cache(), *_stores()]
    found += [folder for packaged in PACKAGED.values() for folder in installed_folders(packaged.module)]
    found += [place for spec in specs for place in parse(spec).places()]
    there = dict.fromkeys(Path(os.path.realpath(path)) for path in found if os.path.exists(path))  # noqa: PTH110
    return tuple(path for path in there if not any(other in path.parents for other in there))


def _stores() -> Iterator[Path]:
    for templates in STORES.values():
        for template in templates:
            path = Path(os.path.expandvars(template)).expanduser()
            if path.is_absolute():
                yield path
