"""What a task and a score promise by themselves."""

from __future__ import annotations

import pytest

from scribe_suite.tasks.answer_kinds import ComponentAnswer, LetterAnswer
from scribe_suite.tasks.answers import expect
from scribe_suite.tasks.task import PlantedTask, Score


class Plain(PlantedTask):
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


class Deep(Plain):
    name, levels, default_levels = "deep", {1: "many experiments", 3: "few"}, (3,)


def test_a_level_is_part_of_the_id_and_of_the_name_of_base_models():
    assert (Deep(3).id, Deep(3).label, Deep(3).models_id) == ("circuits/deep_3", "deep_3", "circuits/deep_3")
    assert (Deep().level, Plain().level, Plain().label) == (1, 1, "plain")


def test_levels_that_share_base_models_name_them():
    class Shared(Deep):
        models = "deep"

    assert {Shared(level).models_id for level in Shared.levels} == {"circuits/deep"}


def test_the_levels_that_run_by_default_are_those_of_the_task_or_all():
    assert [Deep(1).is_default, Deep(3).is_default, Plain().is_default] == [False, True, True]


@pytest.mark.parametrize(("kind", "level", "known"), [(Deep, 2, "1, 3"), (Plain, 2, "1"), (Plain, 0, "1")])
def test_a_level_that_a_task_does_not_have_is_refused(kind, level, known):
    with pytest.raises(ValueError, match=f"has no level {level}: it has {known}"):
        kind(level)


def test_a_planted_task_has_the_hashes_of_its_base_models(tmp_path):
    folder = tmp_path / "ground_truth" / "frozen" / "circuits" / "common"
    folder.mkdir(parents=True)
    (folder / "seed0.json").write_text("{}")
    (folder / "seed0.safetensors").write_bytes(b"weights")
    assert list(Sharing().base_models_sha256(tmp_path)) == ["seed0.json"]
    assert Plain().base_models_sha256(tmp_path) == {}


def test_an_answer_of_another_type_is_refused():
    answer = ComponentAnswer.model_construct(components=["m0"])
    assert expect(answer, ComponentAnswer) is answer
    with pytest.raises(TypeError, match="a LetterAnswer is scored here, not a ComponentAnswer"):
        expect(answer, LetterAnswer)


def test_a_score_must_be_finite() -> None:
    with pytest.raises(ValueError, match="f1 is not"):
        Score(metrics={"f1": float("nan")}, primary="f1", skill=0.0, chance=0.0, reference=1.0)


def test_a_score_has_its_primary_metric() -> None:
    with pytest.raises(ValueError, match="'iou' is not among"):
        Score(metrics={"f1": 1.0}, primary="iou", skill=0.0, chance=0.0, reference=1.0)
