"""A base model that is frozen for some tasks can be certified for another one; nothing is trained, nothing is lost."""

from __future__ import annotations

import json

import pytest
import torch

from scribe_suite.cli.plant import EXIT_NOT_PLANTED, plant
from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import ROOT_VARIABLE
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    add_checks,
    frozen_folder,
    frozen_models,
    load_frozen,
    save_frozen,
)
from scribe_suite.planting.hooked import ModelWeights
from tests.tasks.idle_task import IdleTask


def check(name: str, value: float = 1.0) -> Check:
    return Check(name=name, value=value, bar=0.9, direction=">=")


class Sharing(IdleTask):
    """One of several tasks on one number; `worth` is what its check measures."""

    models = "number"

    def __init__(self, name, worth=1.0):
        super().__init__()
        self.name = name
        self.worth = worth
        self.trained = []

    def plant(self, seed, progress):
        self.trained.append(seed)
        certificate = Certificate(checks=(check(self.name, self.worth),))
        save_frozen(frozen_folder(self), self, seed, ModelWeights({}, {"w": torch.ones(2)}), {}, certificate, {"s": 1})

    def add_checks(self, seed, progress):
        path = frozen_folder(self) / f"seed{seed}.json"
        model = load_frozen(path, self)
        if any(one.name == self.name for one in model.record.certificate.checks):
            return False
        add_checks(path, self, [check(self.name, self.worth)], model)
        return True


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The record of a base model that is frozen for the first task."""
    for folder in ("ground_truth", "prompts"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    first = Sharing("first")
    assert plant(first, [0], keep_valid=True) == 0
    return frozen_folder(first) / "seed0.json"


def contents(path):
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def test_a_further_task_adds_its_checks_and_trains_nothing(path, capsys):
    before, first = contents(path), load_frozen(path, Sharing("first")).record
    further = Sharing("further")
    assert plant(further, [0], keep_valid=True) == 0
    assert "certified for this task" in capsys.readouterr().out
    after = load_frozen(path, further).record
    assert further.trained == []
    assert contents(path)["seed0.safetensors"] == before["seed0.safetensors"]
    assert set(contents(path)) == set(before)
    assert after.certificate.checks == (*first.certificate.checks, check("further"))
    assert after.model_dump(exclude={"certificate", "digest"}) == first.model_dump(exclude={"certificate", "digest"})


def test_a_second_time_nothing_is_missing(path, capsys):
    further = Sharing("further")
    plant(further, [0], keep_valid=True)
    before = contents(path)
    capsys.readouterr()
    assert plant(further, [0], keep_valid=True) == 0
    assert "is frozen already" in capsys.readouterr().out
    assert contents(path) == before


def test_models_that_were_read_before_have_the_new_checks(path):
    task = Sharing("further")
    assert len(frozen_models(task)["circuits/number/seed0"].record.certificate.checks) == 1
    plant(task, [0], keep_valid=True)
    assert len(frozen_models(task)["circuits/number/seed0"].record.certificate.checks) == 2


def test_a_check_that_fails_is_reported_and_leaves_the_record_as_it_was(path, capsys):
    before = contents(path)
    assert plant(Sharing("further", worth=0.5), [0], keep_valid=True) == EXIT_NOT_PLANTED
    output = " ".join(capsys.readouterr().out.split())
    assert "is not certified for circuits/further, because checks fail: further = 0.5, needs >= 0.9" in output
    assert contents(path) == before


def test_no_checks_certify_nothing(path):
    before = contents(path)
    with pytest.raises(FrozenModelError, match="there are none"):
        add_checks(path, Sharing("further"), [], load_frozen(path, Sharing("further")))
    assert contents(path) == before


def test_a_record_that_can_not_be_trusted_gets_no_checks(path):
    measured = load_frozen(path, Sharing("further"))
    record = json.loads(path.read_text())
    record["key"] = {"changed": "by hand"}
    path.write_text(json.dumps(record))
    before = contents(path)
    with pytest.raises(FrozenModelError, match="was changed after it was made"):
        add_checks(path, Sharing("further"), [check("further")], measured)
    assert contents(path) == before


def test_checks_of_another_model_than_the_one_that_is_there_are_refused(path):
    measured = load_frozen(path, Sharing("further"))
    assert plant(Sharing("again"), [0], keep_valid=False) == 0
    before = contents(path)
    with pytest.raises(FrozenModelError, match="was changed while its checks were measured"):
        add_checks(path, Sharing("further"), [check("further")], measured)
    assert contents(path) == before


def test_a_check_is_there_only_once(path):
    measured = load_frozen(path, Sharing("further"))
    name = measured.record.certificate.checks[0].name
    with pytest.raises(FrozenModelError, match=f"has the checks {name} already"):
        add_checks(path, Sharing("further"), [check(name)], measured)


def test_force_trains_again(path):
    further = Sharing("further")
    assert plant(further, [0], keep_valid=False) == 0
    assert further.trained == [0]
