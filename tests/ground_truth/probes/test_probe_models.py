"""Base models of the probe tasks: enough of them, certified, and the certificate is what the weights say."""

from __future__ import annotations

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.reference import reference_answer
from tests.ground_truth.probes.probe_models import TASKS, instance_of, task_of

WORLDS = {"numbers": "greater_than", "places": "cities", "sentences": "grammar"}
MODELS = [(name, index) for name in WORLDS.values() for index in range(4)]


def frozen(name, index):
    return load_frozen(list_frozen(frozen_folder(task_of(name)))[index], task_of(name))


@pytest.mark.parametrize("name", WORLDS.values())
def test_at_least_four_base_models_are_frozen(name):
    assert len(list_frozen(frozen_folder(task_of(name)))) >= 4


@pytest.mark.parametrize(("name", "index"), MODELS)
def test_certificates_claim_what_the_documentation_says(name, index):
    certificate = frozen(name, index).record.certificate
    checks = {check.name: check for check in certificate.checks}
    assert certificate.passed
    assert checks["behaviour/verdict"].value > 0.97
    for task in TASKS:
        if task_of(task).models_id != task_of(name).models_id:
            continue
        for control in ("untrained_twin_max", "bag_of_words_max", "said_max"):
            assert (checks[f"{task}/{control}"].bar, checks[f"{task}/{control}"].direction) == (0.6, "<=")
        reached = checks[f"{task}/{'recipe_mean' if task == 'regularization' else 'recipe_min'}"].value
        assert reached - checks[f"{task}/earlier_max"].value > 0.2
        assert checks[f"{task}/ending_to_truth_min"].value > 2
        assert checks[f"reference/{task}"].value >= (0.85 if task == "regularization" else 0.9)


@pytest.mark.parametrize(
    ("name", "index"),
    [pytest.param(*model, marks=pytest.mark.exhaustive if model[1] else pytest.mark.slow) for model in MODELS],
)
def test_the_certificate_is_what_the_weights_say(name, index):
    from ground_truth.probes.planted.certificate import probe_checks
    from ground_truth.probes.planted.task import sharing

    model, task = frozen(name, index), task_of(name)
    measured = probe_checks(task.world(model.record.seed), model.weights, sharing(task))
    assert measured
    for check in measured:
        assert check.passed, check
        # other processors round differently, which moves a few of some hundred statements
        assert check.value == pytest.approx(model.record.certificate.value(check.name), rel=0.1, abs=0.03), check.name


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name != "greater_than_pca"])
def test_the_reference_solution_solves_a_fresh_instance(name):
    instance = instance_of(name, 77)
    assert instance.task.score(instance, reference_answer(suite_root(), instance)).skill >= 0.8


@pytest.mark.slow
def test_the_reference_without_labels_solves_a_fresh_instance():
    instance = instance_of("greater_than_pca", 77)
    assert instance.task.score(instance, reference_answer(suite_root(), instance)).skill >= 0.95
