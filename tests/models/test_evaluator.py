import pytest
import torch

from scribe_suite.models.cache import read
from scribe_suite.models.conversion import convert
from scribe_suite.models.evaluator import evaluator_model, untrained_model
from scribe_suite.models.spec import find, parse


@pytest.fixture
def spec(llama_folder, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_DEVICE", "cpu")
    evaluator_model.__globals__["_model"].cache_clear()
    named = f"path:{llama_folder}"
    convert(parse(named), lambda _done, _state: None)
    return named


def test_the_model_is_loaded_once_and_needs_no_gradients(spec):
    model = evaluator_model(spec)
    assert evaluator_model(spec) is model
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.tokenizer is not None


def test_twins_have_the_shape_and_nothing_else(spec):
    model, twin, other = evaluator_model(spec), untrained_model(spec), untrained_model(spec, seed=1)
    for (name, mine), (_, its) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert mine.shape == its.shape
        assert torch.isfinite(its).all(), name
        if "W_" in name:
            assert not torch.equal(mine, its), name
    assert torch.equal(twin.W_E, untrained_model(spec).W_E)
    assert not torch.equal(twin.W_E, other.W_E)
    ids = torch.arange(8)[None]
    assert torch.isfinite(twin(ids)).all()


def test_drawing_a_twin_leaves_the_random_numbers_of_others_alone(spec):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    untrained_model(spec)
    assert torch.equal(torch.rand(3), expected)


def test_a_model_is_known_by_what_it_was_made_from_where_that_is_known(spec):
    found = find(spec)
    assert not isinstance(found, str)
    record = read(spec).record
    assert found.identity == record.sha256["model.safetensors"]
    packaged = record.model_copy(update={"origin": {"file": "x.gguf", "sha256": "7" * 64}})
    assert type(found)(found.folder, packaged).identity == "7" * 64
