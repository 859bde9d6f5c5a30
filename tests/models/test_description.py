"""What is said about a converted model without loading its weights."""

from __future__ import annotations

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.conversion import convert
from scribe_suite.models.description import describe, tokenizer_of
from scribe_suite.models.spec import load, parse

from . import tiny
from .test_conversion import silent


def test_a_model_is_described_as_it_is(tmp_path):
    spec = f"path:{tiny.save(tiny.llama(), tmp_path / 'Tiny-1')}"
    convert(parse(spec), silent)
    described, model = describe(spec), load(spec)
    assert (described.name, described.start_token) == ("Tiny-1", "<s>")
    config = model.cfg
    for name in ("n_layers", "n_heads", "n_key_value_heads", "d_model", "d_mlp", "gated_mlp", "n_ctx"):
        assert getattr(described, name) == getattr(config, name), name
    assert described.parameters == sum(value.numel() for value in model.parameters())
    assert tokenizer_of(spec).encode("the keys", add_special_tokens=False) == model.tokenizer.encode(
        "the keys", add_special_tokens=False
    )


def test_heads_that_share_nothing_have_keys_and_values_of_their_own(gpt2_folder):
    spec = f"path:{gpt2_folder}"
    convert(parse(spec), silent)
    described = describe(spec)
    assert described.n_key_value_heads == described.n_heads == 2
    assert not described.gated_mlp


def test_what_has_no_text_is_no_language_model():
    spec = "planted:circuits/mlp_only/seed0"
    convert(parse(spec), silent)
    with pytest.raises(ConfigurationError, match="has no tokenizer"):
        describe(spec)


@pytest.mark.parametrize(("parameters", "tokens"), [(162_950_016, 200), (1_600_000_000, 20), (1_000_000, 10_000)])
def test_larger_models_read_fewer_tokens_a_second(parameters, tokens, tmp_path):
    from dataclasses import replace

    spec = f"path:{tiny.save(tiny.llama(), tmp_path / 'model')}"
    convert(parse(spec), silent)
    assert replace(describe(spec), parameters=parameters).tokens_per_s == tokens
