"""SmolLM2 in the laboratory, asked as an agent would ask: what it can do, and one clear sentence for what it can't."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import torch

from scribe_suite.laboratory.host import Laboratory
from scribe_suite.models.spec import find, kernel_module_of, load
from scribe_suite.sandbox.probing import probe_isolation

from .fakes import Attempt, attempt, client

SPEC = "package:smollm2"
pytestmark = pytest.mark.real_models


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    if isinstance(why := find(SPEC), str):
        pytest.skip(why)
    module = kernel_module_of(SPEC)
    with Laboratory(probe_isolation("auto"), shared=(module,)) as laboratory:
        shape = laboratory.load_shared(module.name)
        made = attempt(
            tmp_path_factory.mktemp("outputs"), shape, laboratory, module.name, budget=1_000_000, decimals=None
        )
        with made.desk:
            yield made


@pytest.fixture(scope="module")
def lab(made: Attempt) -> types.ModuleType:
    return client(made.desk)


def test_texts_of_several_lengths_give_what_each_gives_by_itself(lab):
    texts = ["The capital of France is", "Paris", ""]
    run = lab.run(texts, read=["resid_post.29@-1", "m3"])
    assert run.price == 6 + 2 + 1  # the token that begins a text counts
    model = load(SPEC)
    for number, text in enumerate(texts):
        logits, cache = model.run_with_cache(text)
        torch.testing.assert_close(run.logits[number], logits[0, -1].detach(), atol=2e-3, rtol=2e-3)
        kept = cache["blocks.3.hook_mlp_out"][0].detach()
        torch.testing.assert_close(run["m3"][number, : len(kept)], kept, atol=2e-3, rtol=2e-3)
    assert lab.decode(run.logits.argmax(-1)[:1, None].tolist()) == [" Paris"]


def test_special_tokens_and_all_of_unicode_come_back(lab):
    assert lab.tokenize("<|im_start|>user<|im_end|>") == [1, 1, 4093, 2]
    assert lab.tokenize(" Paris", bos=False) == lab.tokenize(" Paris")[1:]
    for text in ("h\u00e9llo \u4e16\u754c \U0001f600 \u200d \x00", "<|endoftext|>", "\n\t ", "e\u0301"):
        assert lab.decode(lab.tokenize(text, bos=False)) == text


def test_a_thousand_texts_at_once(lab):
    run = lab.run([f"{number}" for number in range(1000)], labels=lab.tokenize(" Paris", bos=False))
    assert run.logits.shape == (1000, 1)
    assert run.price == sum(len(ids) for ids in lab.tokenize([f"{number}" for number in range(1000)]))


def test_the_weights_in_the_process_are_the_file_s(lab, made):
    """All workers map the same file: a second one costs no second copy, whatever has been run."""
    lab.run("a b", grad_of=lab.logit(5), grad_at=["embed"])
    root = psutil.Process(made.models._running.process.pid)
    process = max([root, *root.children(recursive=True)], key=lambda one: one.create_time())
    try:
        maps = [one for one in process.memory_maps(grouped=False) if one.path.endswith("model.safetensors")]
    except psutil.AccessDenied:
        pytest.skip("its memory can't be looked at here")
    assert sum(one.rss for one in maps) > 500_000_000  # of the embeddings only what the prompts have
    assert sum(one.anonymous for one in maps) == 0


REFUSED = {
    "lab.run(['a b c d e', 'a'], read='m3@4')": "m3@4: the shortest prompt has 2 positions.",
    "lab.run(['a b c d e', 'a'], outputs=[-3])": "the shortest prompt has 2 positions.",
    "lab.run('word ' * 3000)": "Text 0 has 3,002 tokens; a text has from 1 to 2,048.",
    "lab.run('x' * 900_000)": "Text 0 has 225,001 tokens; a text has from 1 to 2,048.",
    "lab.tokenize('', bos=False)": "Text 0 has 0 tokens; a text has from 1 to 2,048.",
    "lab.tokenize(['a', '\\ud800'])": "Text 1 has half a character",
    "lab.run('\\ud800 x')": "Text 0 has half a character",
    "lab.run(['word ' * 2000] + ['a'] * 200)": "The texts have more than 262,144 tokens",
    "lab.run(['word ' * 100] * 1500, outputs='all')": "at most 255 are allowed: read fewer sites",
    "lab.run('word ' * 2000, grad_of=lab.logit(5), grad_at='m3')": "Gradients of a prompt with 2,002 tokens would take",
    "lab.run('a', labels=['Paris'])": "Labels are whole numbers, not texts; lab.tokenize gives the ids of a text.",
    "lab.run('a', labels=[49152])": "Labels are numbers from 0 to 49151.",
    "lab.run('a', read='k.0.3')": "there is no key-value head 3; key-value heads of a block are 0 to 2.",
    "lab.run('a b c', patch=lab.interchange('m3', lab.run('a')))": "name one position.",
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_can_t_be_is_refused_in_one_sentence_and_free(lab, made, call):
    lab.run("a")
    before: Any = made.desk.status()
    with pytest.raises(lab.LabError) as refused:
        eval(call)
    assert REFUSED[call] in str(refused.value)
    assert "\n" not in str(refused.value)
    after = made.desk.status()
    assert (after.spent, after.failed, after.infrastructure_error) == (before.spent, 0, None)
