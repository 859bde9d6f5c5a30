"""Checkpoints in TransformerLens' own form, from a local hub cache that the test itself fills; no hub is asked."""

from __future__ import annotations

import json
import os

import pytest
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from scribe_suite.errors import ConfigurationError
from scribe_suite.models import kernel_module
from scribe_suite.models.conversion import convert
from scribe_suite.models.sources import checkpoint as checkpoint_model
from scribe_suite.models.spec import parse
from tests.models.tiny import byte_tokenizer

from .test_hub import hub_cache, run

CONFIG = {"d_model": 16, "n_layers": 1, "d_mlp": 32, "d_head": 8, "n_heads": 2, "n_ctx": 64, "d_vocab": 300}


def silent(_done, _state):
    pass


def built(**values):
    torch.manual_seed(0)
    model = HookedTransformer(HookedTransformerConfig(**values, device="cpu"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def write_state(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: value for name, value in model.state_dict().items() if "IGNORE" not in name}, path)


@pytest.fixture
def toy_folder(tmp_path):
    """As ``NeelNanda/SoLU_1L512W_C4_Code`` is laid out, only smaller."""
    values = {**CONFIG, "act_fn": "solu_ln", "attn_only": False, "normalization_type": "LN"}
    folder = tmp_path / "toy"
    write_state(built(**values), folder / "model_final.pth")
    published = {**values, "tokenizer_name": "NeelNanda/digits", "shortformer_pos": False, "lr": 0.001, "seed": 7}
    (folder / "config.json").write_text(json.dumps(published))
    byte_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return folder, tmp_path / "tokenizer", values


@pytest.fixture
def interpbench_folder(tmp_path):
    """As ``cybershiptrooper/InterpBench`` is laid out, with one case."""
    values = {**CONFIG, "d_vocab_out": 5, "act_fn": "gelu", "normalization_type": None, "n_ctx": 10, "d_vocab": 10}
    folder = tmp_path / "bench"
    model = built(**values)
    write_state(model, folder / "11" / "ll_model_510.pth")
    case = {
        "case_id": "11",
        "files": [{"file_name": name} for name in ("11/edges.pkl", "11/ll_model_510.pth", "11/ll_model_cfg_510.pkl")],
        "transformer_cfg": {**values, "device": "cpu", "seed": 0, "dtype": "torch.float32", "gone_by_now": 1},
    }
    (folder / "benchmark_metadata.json").write_text(json.dumps({"cases": [case, {"case_id": "3"}]}))
    return folder, model


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Reading from a hub cache in this process: its place was read when the library was imported."""

    def fill(folders):
        hub_cache(tmp_path / "hub", folders)
        for module in ("constants", "_snapshot_download", "file_download"):
            monkeypatch.setattr(f"huggingface_hub.{module}.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
        original = checkpoint_model.snapshot_download
        monkeypatch.setattr(
            checkpoint_model, "snapshot_download", lambda *a, **k: original(*a, cache_dir=tmp_path / "hub", **k)
        )
        cached = checkpoint_model.try_to_load_from_cache
        monkeypatch.setattr(
            checkpoint_model, "try_to_load_from_cache", lambda *a, **k: cached(*a, cache_dir=tmp_path / "hub", **k)
        )

    return fill


def test_a_case_of_interpbench_is_what_was_published(interpbench_folder, hub):
    folder, published = interpbench_folder
    hub({"cybershiptrooper/InterpBench": folder})
    converted = convert(parse("hub:cybershiptrooper/InterpBench/11"), silent)
    model = kernel_module.load(converted.folder)
    ids = torch.randint(10, (4, 10))
    with torch.no_grad():
        assert torch.allclose(model(ids), published(ids), atol=1e-6)
    assert converted.record.origin == {"revision": "0123456789abcdef0123456789abcdef01234567"}
    assert converted.record.log_p_difference < 1e-5


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("", "InterpBench has no case '': write hub:cybershiptrooper/InterpBench/CASE with one of 11, 3"),
        ("/12", "InterpBench has no case '12'"),
        ("/3", "names no weights or no configuration for the case '3'"),
    ],
)
def test_a_case_that_is_not_there_is_named(interpbench_folder, hub, case, message):
    hub({"cybershiptrooper/InterpBench": interpbench_folder[0]})
    with pytest.raises(ConfigurationError, match="HF_HUB_OFFLINE") as caught:
        parse(f"hub:cybershiptrooper/InterpBench{case}").load()
    assert message in str(caught.value)


class Bomb:
    """A pickle that runs something."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("content", [Bomb(), {"W": 3}, [1]])
def test_a_checkpoint_with_more_than_tensors_is_refused_and_never_run(
    interpbench_folder, hub, content, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    torch.save(content, interpbench_folder[0] / "11" / "ll_model_510.pth")
    hub({"cybershiptrooper/InterpBench": interpbench_folder[0]})
    with pytest.raises(ConfigurationError, match="is not a plain checkpoint of tensors"):
        parse("hub:cybershiptrooper/InterpBench/11").load()
    assert not (tmp_path / "exploded").exists()


def test_weights_that_do_not_fit_are_named(interpbench_folder, hub):
    path = interpbench_folder[0] / "11" / "ll_model_510.pth"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "blocks.0.mlp.W_in": torch.zeros(2, 2)}, path)
    hub({"cybershiptrooper/InterpBench": interpbench_folder[0]})
    with pytest.raises(ConfigurationError, match=r"do not fit its configuration: blocks\.0\.mlp\.W_in"):
        parse("hub:cybershiptrooper/InterpBench/11").load()


@pytest.mark.slow
def test_a_toy_language_model_is_processed_as_from_pretrained_does(toy_folder, tmp_path):
    """By the command, in a process of its own, under the name that TransformerLens has for it."""
    folder, tokenizer, values = toy_folder
    hub_cache(tmp_path / "hub", {"NeelNanda/SoLU_1L512W_C4_Code": folder, "NeelNanda/digits": tokenizer})
    environment = {
        **os.environ,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "SCRIBE_SUITE_CACHE": str(tmp_path / "cache"),
    }
    done = run(environment, "convert", "hub:solu-1l")
    assert done.returncode == 0, done.stderr
    (converted,) = (path for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir())
    model = kernel_module.load(converted)
    assert model.cfg.normalization_type == "LNPre"
    assert model.tokenizer is not None
    ids = torch.randint(300, (2, 20))
    with torch.no_grad():
        mine, published = (one(ids).log_softmax(-1) for one in (model, built(**values)))
    assert torch.allclose(mine, published, atol=1e-4)
    missing = run(environment, "convert", "hub:solu-2l")
    assert missing.returncode == 2
    assert "is not in the local hub cache, and HF_HUB_OFFLINE forbids to ask the hub" in missing.stderr
