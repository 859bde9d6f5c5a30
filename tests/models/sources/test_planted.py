"""``planted:FAMILY/NAME/seedN``: the suite's own base models as any other model, where they can be trusted."""

from __future__ import annotations

import json
import shutil

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.sources.planted import PlantedModel
from scribe_suite.paths import ROOT_VARIABLE, suite_root
from scribe_suite.tasks import registry

NAME = "circuits/mlp_only/seed0"


def edit(record, **changes):
    record.write_text(json.dumps({**json.loads(record.read_text()), **changes}))


@pytest.fixture
def record(tmp_path, monkeypatch):
    """The record of a base model in a checkout that may be damaged."""
    tasks = registry.default_registry()
    original = suite_root() / "ground_truth" / "frozen" / "circuits" / "mlp_only"
    frozen = tmp_path / "ground_truth" / "frozen" / "circuits" / "mlp_only"
    frozen.mkdir(parents=True)
    for name in ("seed0.json", "seed0.safetensors"):
        shutil.copy(original / name, frozen / name)
    (tmp_path / "prompts").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    monkeypatch.setattr("scribe_suite.models.sources.planted.default_registry", lambda: tasks)
    return frozen / "seed0.json"


def test_a_base_model_is_known_by_its_weights(record):
    assert PlantedModel(NAME).origin() == {"sha256": json.loads(record.read_text())["sha256"]}
    assert PlantedModel(NAME).load().tokenizer is None


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda record: record.write_text("{}"), "is not a valid key file"),
        (lambda record: record.with_suffix(".safetensors").unlink(), "can't be read"),
        (
            lambda record: record.write_text(record.read_text().replace('task_version": 3', 'task_version": 2')),
            "version",
        ),
        (lambda record: record.unlink(), "is not frozen"),
    ],
    ids=["record", "weights", "version", "gone"],
)
def test_one_that_can_not_be_trusted_has_no_origin_and_is_not_loaded(record, damage, complaint):
    damage(record)
    assert PlantedModel(NAME).origin() is None
    with pytest.raises(ConfigurationError, match=complaint):
        PlantedModel(NAME).load()


@pytest.mark.parametrize("name", ["circuits/unheard/seed0", "circuits/greater_than_real/seed0"])
def test_what_no_task_plants_has_no_origin(name):
    assert PlantedModel(name).origin() is None
