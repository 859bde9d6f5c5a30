"""The real model that `make real-models` installs: it is what it should be, and it does what tasks will ask about."""

from __future__ import annotations

import itertools

import pytest
import torch

from scribe_suite.models.spec import SETUP_CODE, find, load
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.plugin.worker.kernels import preload_for, shared_for
from tests.notebook.agent import Agent, play

SPEC = "package:smollm2"
pytestmark = pytest.mark.real_models


@pytest.fixture(scope="module")
def record():
    found = find(SPEC)
    if isinstance(found, str):
        pytest.skip(found)
    return found.record


@pytest.fixture(scope="module")
def model(record):
    return load(SPEC)


def test_it_was_compared_with_the_original(record):
    assert record.log_p_difference < 1e-3
    assert record.nll < 4  # nats; the logarithm of the vocabulary is 10.8


def test_its_shape(model):
    shape = (model.cfg.n_layers, model.cfg.d_model, model.cfg.n_heads, model.cfg.n_key_value_heads, model.cfg.d_mlp)
    assert shape == (30, 576, 9, 3, 1536)
    assert model.tokenizer.vocab_size == model.cfg.d_vocab == 49_152


def test_its_tokenizer_takes_numbers_apart(model):
    assert model.to_str_tokens("In 1969, they", prepend_bos=False) == ["In", " ", "1", "9", "6", "9", ",", " they"]


def test_it_names_the_indirect_object(model):
    pairs = list(itertools.permutations(["Mary", "John", "Anna", "Tom"], 2))
    texts = [f"When {a} and {b} went to the store, {b} gave a drink to" for a, b in pairs]
    names = [[model.to_single_token(f" {name}") for name in pair] for pair in pairs]
    with torch.no_grad():
        for text, (indirect, subject) in zip(texts, names, strict=True):
            logits = model(text)[0, -1]
            assert logits[indirect] > logits[subject], text


def test_it_repeats_what_it_has_seen(model):
    half = torch.randint(1000, 40_000, (2, 30), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = model(torch.cat([half, half], dim=1), return_type="loss", loss_per_token=True)
    assert loss[:, 31:].mean() < 0.4 * loss[:, :29].mean()


def test_a_second_kernel_needs_little_memory_of_its_own(record, tmp_path):
    code = """
import re
with torch.no_grad():
    model("When Mary and John went to the store, John gave a drink to")
rollup = open("/proc/self/smaps_rollup").read()
print(sum(int(kb) for kb in re.findall(r"(?m)^Private_(?:Clean|Dirty):\\s+(\\d+)", rollup)) >> 10)
"""

    async def scenario(agent: Agent) -> int:
        await agent.start()
        await agent.run(code)
        await agent.start()
        return int((await agent.run(code)).output)

    config = NotebookConfig(
        tmp_path, setup_code=SETUP_CODE, preload=preload_for(SETUP_CODE), shared=shared_for(SPEC), max_sessions=4
    )
    with NotebookServer(config) as server:
        assert play(server, scenario, session=False) < 250  # MiB; the weights have 622
