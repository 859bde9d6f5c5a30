"""Converting models: the same log-probabilities, complete or not at all, and what changes is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import torch
from filelock import FileLock
from transformers import AutoModelForCausalLM

from scribe_suite.errors import ConfigurationError
from scribe_suite.models import cache as cache_module
from scribe_suite.models import conversion, kernel_module
from scribe_suite.models.conversion import convert, verify
from scribe_suite.models.hooked_conversion import MAX_ROTARY_POSITIONS
from scribe_suite.models.spec import find, parse

from . import tiny


def silent(_done: float, _state: str) -> None:
    """No progress."""


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_converted_model_has_the_original_s_log_probabilities(kind, llama_folder, gpt2_folder):
    folder = {"llama": llama_folder, "gpt2": gpt2_folder}[kind]
    converted = convert(parse(f"path:{folder}"), silent)
    original = AutoModelForCausalLM.from_pretrained(folder)
    model = kernel_module.load(converted.folder)
    ids = torch.randint(tiny.VOCABULARY, (3, 40), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        right, ours = original(ids).logits.log_softmax(-1), model(ids).log_softmax(-1)
    assert (right - ours).abs().max() < 1e-4
    assert right.std() > 0.1  # a model that says the same of everything would prove nothing
    assert converted.record.log_p_difference < 1e-3
    assert converted.record.parameters == sum(value.numel() for value in model.parameters())


def test_an_agent_finds_what_it_knows_of_transformer_lens(llama_folder):
    model = kernel_module.load(convert(parse(f"path:{llama_folder}"), silent).folder)
    assert model.W_Q.shape == (2, 4, 32, 8)
    assert model.W_K.shape == (2, 4, 32, 8)  # of each head, though two of them share it
    assert model.cfg.n_key_value_heads == 2
    assert model.cfg.normalization_type == "RMSPre"  # folded
    assert model.W_U.mean(-1).abs().max() < 1e-5  # centred
    assert str(model.cfg.device) == "cpu"
    assert not model.training
    _, activations = model.run_with_cache("the keys to")
    assert activations["z", 0].shape[2:] == (4, 8)
    assert model.to_str_tokens("the keys")[0] == "<s>"
    assert model.to_string(model.to_tokens("the keys", prepend_bos=False)[0]) == "the keys"


def test_positions_are_limited_where_they_are_rotations(llama_folder, gpt2_folder):
    assert kernel_module.load(convert(parse(f"path:{llama_folder}"), silent).folder).cfg.n_ctx == MAX_ROTARY_POSITIONS
    assert kernel_module.load(convert(parse(f"path:{gpt2_folder}"), silent).folder).cfg.n_ctx == 64


def test_the_folder_has_the_model_and_nothing_that_tells_of_this_machine(llama_folder, cache):
    folder = convert(parse(f"path:{llama_folder}"), silent).folder
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644
        assert str(llama_folder.parent).encode() not in path.read_bytes()
    assert {path.suffix for path in cache.iterdir()} == {"", ".json", ".lock"}


def test_a_conversion_that_computes_something_else_is_refused_and_changes_nothing(llama_folder, monkeypatch):
    source = parse(f"path:{llama_folder}")
    before = convert(source, silent)
    right = conversion.write_folder

    def slightly_wrong(model, tokenizer, folder):
        with torch.no_grad():
            model.blocks[1].mlp.W_out.mul_(1.01)
        right(model, tokenizer, folder)

    monkeypatch.setattr(conversion, "write_folder", slightly_wrong)
    with pytest.raises(ConfigurationError, match=r"something else than the original \(largest"):
        convert(source, silent)
    assert find(source.spec) == before
    assert before.damaged() is None


@pytest.mark.parametrize("step", ["reading the original", "writing weights", "computing checksums"])
def test_an_interrupted_conversion_leaves_no_model_and_the_next_one_succeeds(step, llama_folder, cache):
    source = parse(f"path:{llama_folder}")

    def interrupted(_done: float, state: str) -> None:
        if state == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, interrupted)
    assert isinstance(find(source.spec), str)
    convert(source, silent)
    assert not isinstance(find(source.spec), str)
    assert not list(cache.glob("*.part"))


def test_two_processes_do_not_convert_the_same_model(llama_folder, cache):
    source = parse(f"path:{llama_folder}")
    lock = cache / f"{cache_module.entry_name(source.spec)}.lock"
    cache.mkdir(parents=True)
    code = f"from filelock import FileLock\nwith FileLock({str(lock)!r}):\n    print('held', flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        begun = time.monotonic()
        with pytest.raises(ConfigurationError, match="being converted by another process"):
            convert(source, silent)
        assert time.monotonic() - begun < 5
        other.communicate("\n")
    with FileLock(lock, timeout=0):
        pass


def test_verifying_reads_everything_again(llama_folder):
    source = parse(f"path:{llama_folder}")
    model = convert(source, silent)
    comparison = verify(model, source, silent)
    assert comparison.passed
    assert comparison.positions > 200
    weights = model.folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"model\.safetensors is not what was converted"):
        verify(model, source, silent)


def test_verifying_compares_with_the_original_as_it_is_now(tmp_path):
    folder = tiny.save(tiny.llama(), tmp_path / "model")
    source = parse(f"path:{folder}")
    model = convert(source, silent)
    tiny.save(tiny.llama(seed=1), folder)
    with pytest.raises(ConfigurationError, match="computes something else than the original"):
        verify(model, source, silent)


def test_progress_only_grows(llama_folder):
    reported = []
    convert(parse(f"path:{llama_folder}"), lambda done, state: reported.append((done, state)))
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    assert len({state for _, state in reported}) == 4


def test_a_planted_model_comes_by_the_same_interface(cache):
    from scribe_suite.planting.frozen import frozen_folder, load_frozen
    from scribe_suite.planting.hooked import build_model
    from scribe_suite.tasks.registry import default_registry

    task = default_registry()["circuits/mlp_only"]
    frozen = load_frozen(frozen_folder(task) / "seed0.json", task)
    model = kernel_module.load(convert(parse("planted:circuits/mlp_only/seed0"), silent).folder)
    ids = torch.randint(model.cfg.d_vocab, (4, 5))
    with torch.no_grad():
        assert torch.allclose(model(ids), build_model(frozen.weights)(ids), atol=1e-5)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}  # and no key
    assert "key" not in json.loads((folder / "config.json").read_text())
