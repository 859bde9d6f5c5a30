"""Language models in the laboratory: texts, prompts of several lengths, and the process with a model of a module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from transformer_lens import HookedTransformer

from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory import limits
from scribe_suite.laboratory.frames import Frame
from scribe_suite.laboratory.host import Laboratory, RunRefusedError
from scribe_suite.laboratory.inside import server, texts
from scribe_suite.laboratory.recipes import Recipe, Wanted, run_message
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.models import kernel_module
from scribe_suite.models.conversion import convert
from scribe_suite.models.spec import parse
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.shared_modules import SharedModule
from tests.models import tiny

TEXTS = ["the keys to the old cabinet", "nobody knows", "the"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted model as the cache has it."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(place / "cache"))
        return convert(parse(f"path:{tiny.save(tiny.llama(), place / 'original')}"), lambda _done, _state: None).folder


@pytest.fixture(scope="module")
def model(folder: Path) -> HookedTransformer:
    return kernel_module.load(folder)


@pytest.fixture
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> server.Server:
    monkeypatch.setitem(sys.modules, "tiny_model", SimpleNamespace(model=kernel_module.load(folder)))
    served = server.Server()
    header, _ = served.answer(Frame({"op": "load_module", "model": "tiny_model"}))
    assert header["sizes"]["n_key_value_heads"] == 2
    return served


def tokenized(served: server.Server, **header: object) -> dict[str, torch.Tensor]:
    answer, tensors = served.answer(Frame({"op": "tokenize", "model": "tiny_model", **header}))
    assert answer == {}, answer
    return load(tensors)


def rows(found: dict[str, torch.Tensor]) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(found["tokens"], found["lengths"], strict=True)]


def test_texts_are_tokenized_as_the_model_does_it(served, model):
    for bos in (None, True, False):
        found = rows(tokenized(served, texts=TEXTS, bos=bos))
        first = bool(model.cfg.default_prepend_bos) if bos is None else bos
        assert found == [model.to_tokens(text, prepend_bos=first)[0].tolist() for text in TEXTS]
    assert len({len(row) for row in found}) == 3


def test_tokens_are_decoded_to_their_texts(served):
    found = tokenized(served, texts=TEXTS, bos=False)
    answer, _ = served.answer(Frame({"op": "decode", "model": "tiny_model"}, save(found)))
    assert answer["texts"] == TEXTS
    answer, _ = served.answer(
        Frame({"op": "decode", "model": "tiny_model"}, save({"tokens": found["tokens"][:1].T.contiguous()}))
    )
    assert "".join(answer["texts"]) == TEXTS[0]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, "list of texts"),
        ({"texts": "the"}, "list of texts"),
        ({"texts": [3]}, "list of texts"),
        ({"texts": []}, "At least 1 text"),
        ({"texts": ["a"] * 4097}, "At least 1 text and at most 4,096"),
        ({"texts": ["a"], "bos": "yes"}, "bos is true, false or null"),
        ({"texts": [""], "bos": False}, "Text 0 has 0 tokens"),
        ({"texts": ["a", "half \ud83d of one"]}, "Text 1 has half a character"),
        ({"texts": ["a", "xyz" * 2000]}, "Text 1 has"),
    ],
)
def test_texts_that_can_t_be_read_are_refused(served, header, reason):
    answer, _ = served.answer(Frame({"op": "tokenize", "model": "tiny_model", **header}))
    assert reason in answer["refused"]


def test_too_many_tokens_are_refused(served, monkeypatch):
    monkeypatch.setattr(texts, "MAX_TOKENS", 8)
    answer, _ = served.answer(Frame({"op": "tokenize", "model": "tiny_model", "texts": TEXTS}))
    assert "more than 8 tokens" in answer["refused"]
    assert limits.MAX_TOKENS == 262_144


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"tokens": torch.zeros(2, 2)},
        {"tokens": torch.zeros(2, dtype=torch.int64)},
        {"tokens": torch.full((1, 1), 300)},
        {"tokens": torch.full((1, 1), -1)},
        {"tokens": torch.zeros(2, 2, dtype=torch.int64), "lengths": torch.zeros(1, dtype=torch.int64)},
    ],
)
def test_what_are_no_tokens_is_refused(served, tensors):
    answer, _ = served.answer(Frame({"op": "decode", "model": "tiny_model"}, save(tensors)))
    assert list(answer) == ["refused"]


def test_a_module_that_is_not_there_is_refused():
    answer, _ = server.Server().answer(Frame({"op": "load_module", "model": "no_such_model"}))
    assert "no module no_such_model" in answer["refused"]


def test_texts_of_several_lengths_are_run_together(served, model):
    found = tokenized(served, texts=TEXTS)
    recipe = Recipe("r", found["tokens"].numpy(), lengths=found["lengths"].numpy())
    header, data = run_message("tiny_model", [recipe], Wanted(returns="log_probs", read=["m1@-1", "k.1.1@0"]))
    answer, tensors = served.answer(Frame(header, data))
    assert answer == {}
    results = load(tensors)
    for number, text in enumerate(TEXTS):
        logits, cache = model.run_with_cache(text)
        truth = {
            "outputs": logits[0, -1].log_softmax(-1),
            "m1@-1": cache["blocks.1.hook_mlp_out"][0, -1],
            "k.1.1@0": cache["blocks.1.attn.hook_k"][0, 0, 1],
        }
        for name, value in truth.items():
            torch.testing.assert_close(results[name][number], value, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def laboratory(folder: Path) -> Iterator[Laboratory]:
    source = Path(kernel_module.__file__).read_text()
    shared = [SharedModule("tiny_model", source, folder)]
    with Laboratory(probe_isolation("auto"), hidden=[folder.parent / "nothing"], shared=shared) as laboratory:
        yield laboratory


@pytest.mark.slow
def test_the_process_runs_the_model_of_a_shared_module(laboratory, model):
    shape = laboratory.load_shared("tiny_model")
    assert shape == ModelShape(
        n_layers=2, n_heads=4, n_key_value_heads=2, d_model=32, d_head=8, d_mlp=64, d_vocab=300, d_vocab_out=300,
        n_ctx=2048, unit="token",
    )  # fmt: skip
    tokens, lengths = laboratory.tokenize("tiny_model", TEXTS)
    assert laboratory.decode("tiny_model", tokens, lengths)[1].endswith("nobody knows")
    found = load(laboratory.run("tiny_model", [Recipe("r", tokens, lengths)], Wanted()))["outputs"]
    for number, text in enumerate(TEXTS):
        torch.testing.assert_close(found[number], model(text)[0, -1], atol=1e-4, rtol=1e-4)
    laboratory._running.process.kill()
    laboratory._running.process.wait(10)
    again = load(laboratory.run("tiny_model", [Recipe("r", np.array(tokens), lengths)], Wanted()))["outputs"]
    assert torch.equal(found, again)
    with pytest.raises(RunRefusedError, match="from 1 to 2,048"):
        laboratory.tokenize("tiny_model", ["xyz" * 4000])


@pytest.mark.slow
def test_a_module_that_the_process_has_not_is_an_infrastructure_error(laboratory):
    with pytest.raises(InfrastructureError, match="no module other_model") as caught:
        laboratory.load_shared("other_model")
    assert caught.value.cause == "laboratory"
