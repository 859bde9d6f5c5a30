"""What a task and a score promise by themselves."""

from __future__ import annotations

import pytest

from scribe_suite.tasks.task import Score, Task


class Plain(Task):
    family, name, summary, metrics = "circuits", "plain", "For tests.", ("f1",)

    def plant(self, seed, progress):
        raise NotImplementedError

    def instance(self, seed):
        raise NotImplementedError

    def score(self, instance, answer):
        raise NotImplementedError

    def oracle_answer(self, instance):
        raise NotImplementedError

    def random_answer(self, instance, rng):
        raise NotImplementedError


class Sharing(Plain):
    name, models = "sharing", "common"


def test_base_models_bear_the_name_of_their_task_unless_several_share_them() -> None:
    assert (Plain().id, Plain().models_id) == ("circuits/plain", "circuits/plain")
    assert (Sharing().id, Sharing().models_id) == ("circuits/sharing", "circuits/common")


def test_a_score_must_be_finite() -> None:
    with pytest.raises(ValueError, match="f1 is not"):
        Score(metrics={"f1": float("nan")}, primary="f1", skill=0.0, chance=0.0, reference=1.0)


def test_a_score_has_its_primary_metric() -> None:
    with pytest.raises(ValueError, match="'iou' is not among"):
        Score(metrics={"f1": 1.0}, primary="iou", skill=0.0, chance=0.0, reference=1.0)
