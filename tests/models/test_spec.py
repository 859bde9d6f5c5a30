"""Specifications of models, and what is said when a model can't be used."""

from __future__ import annotations

import os

import pytest

from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.models import cache as cache_module
from scribe_suite.models.conversion import convert
from scribe_suite.models.sources import package as package_model
from scribe_suite.models.spec import find, load, parse, ready
from scribe_suite.plugin.worker.kernels import shared_for

from . import tiny
from .test_conversion import silent


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("smollm2", "write one of package:..., hub:..., path:..., planted:...; for example package:smollm2"),
        ("package:", "names no model"),
        ("zip:x", "names no model"),
        ("package:gpt5", "there are: smollm2"),
        ("planted:ioi", "write planted:circuits/ioi/seed0"),
    ],
)
def test_what_names_no_model_is_refused_in_one_sentence(spec, sentence):
    with pytest.raises(ConfigurationError) as refusal:
        parse(spec)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        ("package:smollm2", "`make real-models`"),
        ("hub:gpt2", "`scribe-suite models convert hub:gpt2`"),
        ("planted:circuits/ioi/seed0", "`scribe-suite models convert planted:circuits/ioi/seed0`"),
    ],
)
def test_a_model_that_is_not_ready_is_said_to_be_made_by_which_command(spec, command):
    assert find(spec) == f"{spec} is not ready: run {command}."
    with pytest.raises(InfrastructureError) as failure:
        shared_for(spec)
    assert failure.value.cause == "model_missing"
    assert command in str(failure.value)


def test_without_the_package_a_conversion_says_what_installs_it(monkeypatch):
    monkeypatch.setattr(package_model, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="not installed: run `make real-models`"):
        convert(parse("package:smollm2"), silent)


def test_base_models_that_do_not_exist_are_named_with_those_that_do():
    with pytest.raises(ConfigurationError, match="circuits/ioi"):
        convert(parse("planted:circuits/unheard/seed0"), silent)
    with pytest.raises(ConfigurationError, match="seed0"):
        convert(parse("planted:circuits/ioi/seed999999"), silent)


def test_a_folder_without_a_model_or_tokenizer_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"has no config\.json"):
        convert(parse(f"path:{tmp_path}"), silent)
    tiny.llama().save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="can't read the tokenizer"):
        convert(parse(f"path:{tmp_path}"), silent)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError, match="can't read the model"):
        convert(parse(f"path:{tmp_path}"), silent)


def test_a_model_whose_source_changed_must_be_converted_again(tmp_path):
    folder = tiny.save(tiny.llama(), tmp_path / "model")
    spec = f"path:{folder}"
    convert(parse(spec), silent)
    assert not isinstance(find(spec), str)
    os.utime(folder / "config.json", (1, 1))
    assert "what it was converted from has changed since: run" in find(spec)


def test_a_model_whose_source_is_gone_can_still_be_used(tmp_path):
    folder = tiny.save(tiny.llama(), tmp_path / "model")
    convert(parse(f"path:{folder}"), silent)
    folder.rename(tmp_path / "elsewhere")
    assert load(f"path:{folder}").cfg.n_layers == 2


def test_a_model_of_other_versions_must_be_converted_again(llama_folder, monkeypatch):
    spec = f"path:{llama_folder}"
    convert(parse(spec), silent)
    now = cache_module.makers()
    monkeypatch.setattr(cache_module, "makers", lambda: {**now, "transformers": "99"})
    assert "and 99 is installed: run" in find(spec)


def test_damage_is_noticed_before_the_model_is_used(llama_folder):
    spec = f"path:{llama_folder}"
    model = convert(parse(spec), silent)
    weights = model.folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not isinstance(find(spec), str)  # which reads no file
    with pytest.raises(ConfigurationError, match=r"model\.safetensors is damaged: convert it again"):
        ready(spec)
    weights.write_bytes(whole[:-1])
    assert "model.safetensors is missing or damaged" in find(spec)


def test_names_in_the_cache_are_readable_and_never_the_same():
    specs = ["path:/a/b", "path:/a-b", "hub:a/b", "hub:a-b", "package:smollm2", f"path:/{'x' * 300}/y"]
    names = [cache_module.entry_name(spec) for spec in specs]
    assert len(set(names)) == len(specs)
    assert all(len(name) < 60 and "/" not in name for name in names)
    assert cache_module.entry_name("package:smollm2").startswith("package-smollm2-")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch, llama_folder):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(blocked))
    with pytest.raises(ConfigurationError, match="SCRIBE_SUITE_CACHE"):
        convert(parse(f"path:{llama_folder}"), silent)


def test_planted_tasks_need_no_model():
    assert shared_for(None) == ()
