"""Reads a language model from a folder of the model cache. Public: agents see it as ``real_model.py``.

The weights stay in the file and are mapped into memory: processes that read the same file share its pages, and a
process that changes a weight gets its own copy of the changed pages. `load` always gives the unchanged model.
"""

import json
import warnings
from pathlib import Path

from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformers import AutoTokenizer


def load(folder: str | Path) -> HookedTransformer:
    """Load the model in a folder, on the CPU and in evaluation mode, with its tokenizer where it has one.

    Args:
        folder: Contains ``config.json``, ``model.safetensors`` and the files of the tokenizer.
    """
    folder = Path(folder)
    tokenizer = None
    if (folder / "tokenizer_config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = HookedTransformerConfig(**json.loads((folder / "config.json").read_text()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "HookedTransformer is deprecated", DeprecationWarning)
        model = HookedTransformer(config, tokenizer)
    # all parameters are in the file; what is missing are masks and rotations, which are computed
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False, assign=True)
    return model.eval()


if "FOLDER" in globals():  # given by whoever makes this text a module of a kernel
    model = load(globals()["FOLDER"])
