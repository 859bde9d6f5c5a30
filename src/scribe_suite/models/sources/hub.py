"""``hub:NAME`` and ``path:DIR``: models from the user's hub cache, the hub, or a folder.

Most are in the format of transformers; the others are read by `checkpoint_model`.

The hub is contacted only while a command of the user's converts a model, and only for files that are not in the local
cache; with ``HF_HUB_OFFLINE=1`` never. Code that comes with a model is never run.
"""

from __future__ import annotations

from contextlib import nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.sources.base import Loaded, ModelSource, original_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class HubModel(ModelSource):
    """A model by its name on the hub, or by TransformerLens' shorter name (``gpt2``, ``pythia-70m``)."""

    kind = "hub"
    form = "NAME"
    meaning = "a model by its name on the Hugging Face hub, or the shorter one that TransformerLens has, such as `gpt2`"
    needs = "the local hub cache; what is not in it is downloaded, unless `HF_HUB_OFFLINE=1`"

    def __init__(self, name: str) -> None:
        from transformer_lens.loading_from_pretrained import get_official_model_name

        super().__init__(name)
        try:
            self._repository, self._known = get_official_model_name(name), True
        except ValueError:
            self._repository, self._known = name, False

    def origin(self) -> dict[str, str] | None:
        """The revision in the local cache; None when it is not cached."""
        from huggingface_hub import try_to_load_from_cache

        from scribe_suite.models.sources.checkpoint import checkpoint_origin, is_checkpoint

        if is_checkpoint(self._repository):
            return checkpoint_origin(self._repository)
        found = try_to_load_from_cache(self._repository, "config.json")
        return {"revision": Path(found).parent.name} if isinstance(found, str) else None

    def load(self) -> Loaded:
        """Read it from the local cache, or download it first."""
        from huggingface_hub import constants

        from scribe_suite.models.hooked_conversion import to_hooked
        from scribe_suite.models.sources.checkpoint import is_checkpoint, load_checkpoint

        if is_checkpoint(self._repository):
            return load_checkpoint(self._repository)
        try:
            original, tokenizer = _read(self._repository, local=True)
        except ConfigurationError as error:
            if constants.HF_HUB_OFFLINE:
                raise ConfigurationError(
                    f"{self.spec} is not in the local hub cache, and HF_HUB_OFFLINE forbids to ask the hub: unset it, "
                    f"or download the model elsewhere and use path:DIR. ({error})"
                ) from error
            original, tokenizer = _read(self._repository, local=False)
        hooked = to_hooked(original, tokenizer, self._repository if self._known else self.name, known=self._known)
        return Loaded(original_of(original), hooked, tokenizer)


class PathModel(ModelSource):
    """A transformers model in a folder, written with its tokenizer by `save_pretrained`."""

    kind = "path"
    form = "DIR"
    meaning = "a folder with config.json, weights and tokenizer, as transformers' `save_pretrained` writes it"
    needs = "nothing"

    def __init__(self, name: str) -> None:
        super().__init__(str(Path(name).expanduser().resolve()))
        self._folder = Path(self.name)

    @property
    def title(self) -> str:
        """The folder's name, without its path, which is private."""
        return self._folder.name

    def origin(self) -> dict[str, str] | None:
        """Size and modification time of every file; None when the folder is gone."""
        try:
            files = sorted(path for path in self._folder.iterdir() if path.is_file())
            return {path.name: f"{path.stat().st_size} bytes, {path.stat().st_mtime_ns}" for path in files} or None
        except OSError:
            return None

    def places(self) -> tuple[Path, ...]:
        """The folder, and the targets of its links: a snapshot in a hub's cache consists of links."""
        links = [path for path in self._folder.rglob("*") if path.is_symlink()]
        return self._folder, *(path.resolve() for path in links)

    def load(self) -> Loaded:
        """Read the model."""
        from scribe_suite.models.hooked_conversion import to_hooked

        if not (self._folder / "config.json").is_file():
            raise ConfigurationError(
                f"{self._folder} has no config.json: name a folder that transformers' save_pretrained has written."
            )
        original, tokenizer = _read(str(self._folder), local=True)
        return Loaded(original_of(original), to_hooked(original, tokenizer, self._folder.name, known=False), tokenizer)


def _read(place: str, *, local: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Read the model in float32 and its tokenizer with transformers.

    Raises:
        ConfigurationError: When either can't be read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    part = "model"
    try:
        with redirect_stderr(StringIO()) if local else nullcontext():  # bars of a download are worth seeing
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                place, dtype=torch.float32, local_files_only=local, trust_remote_code=False
            )
            part = "tokenizer"
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=local, trust_remote_code=False)
    except Exception as error:  # of many kinds, by what is wrong with whose file
        reason = " ".join(str(error).split())[:300]
        raise ConfigurationError(
            f"transformers can't read the {part} of {place} ({type(error).__name__}: {reason}); check the name or the "
            "files, and that the folder has both model and tokenizer."
        ) from error
    model.train(False)
    return model, tokenizer
