"""What a new neuron task costs: its file, its prompt, its solution; and its own base models where it asks for more.

A task about what the shared models are planted with is tried in a checkout to which nothing but these three files was
added. A task with a kind of questions of its own is written here.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import torch

from ground_truth.neurons.planted.base import Base, Draw, key_of
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.frozen import frozen_folder
from scribe_suite.planting.hooked import untrained_twin, weights_of
from scribe_suite.planting.neurons import certificate, evidence
from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.features import Feature
from scribe_suite.planting.neurons.kinds import QuestionKind, Supply, drawn_from
from scribe_suite.planting.neurons.plan import Question, Target
from scribe_suite.planting.neurons.survey import CONTEXT, survey
from scribe_suite.planting.neurons.targets import key_targets, near_miss, response_to
from scribe_suite.planting.neurons.training import TrainingSettings

# --- three files -------------------------------------------------------------------------------------------------

TASK = '''
"""Which neurons fire on the first word of the alphabet?"""

from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.neurons.words import WORDS


class FirstWord(PlantedNeuronTask):
    """Find the neurons of a word."""

    name = "first_word"
    kind = WORDS
    summary = "Find the neurons of the first word."

    def choose(self, base, rng):
        """The first word of the model's."""
        return (min(base.names(self.kind)),)

    def public_question(self, draw):
        """``word``."""
        return {"word": draw.names[0]}
'''
PROMPT = """
{% extends "neurons/_base.md" %}
{% block title %}# Neurons of one word{% endblock %}
{% block asked %}
**Which neurons fire on "{{ facts.word }}"?** It explains at least {{ facts.bar }} of their variance.
{% endblock %}
"""
SOLUTION = '''
"""Reference solution: variance explained by the word."""

# %%
spelled = torch.tensor([string.strip().lower() == question["word"] for string in vocabulary])
feature = spelled[tokens].flatten().float()
found = []
with torch.no_grad():
    _, cache = model.run_with_cache(tokens[:300], names_filter=lambda name: name.endswith("hook_post"))
for layer in range(model.cfg.n_layers):
    activations = cache["post", layer].flatten(0, 1)
    correlation = torch.corrcoef(torch.cat([feature[None, : len(activations)], activations.T]))[0, 1:]
    above = (correlation * correlation.abs() >= question["bar"]).nonzero().flatten().tolist()
    found += [f"L{layer}.N{neuron}" for neuron in above]
answer = {"neurons": found, "confidence": 0.9, "summary": "Those above the bar."}
'''
ATTEMPT = """
import json
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry

task = default_registry()["neurons/first_word"]
instance = task.instance(0)
oracle = task.primary_score(instance, instance.answer_schema.parse(json.dumps(task.oracle_answer(instance))))
solved = task.primary_score(instance, reference_answer(suite_root(), instance))
prompt = render_prompt(suite_root(), instance, {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None})
print(json.dumps([instance.base_model, oracle, instance.hidden.reference, solved, prompt]))
"""


def mirror(source: Path, place: Path, added: dict[str, str]) -> None:
    """A folder whose entries are links to those of another, with files added below it."""
    place.mkdir()
    below = {name.partition("/")[0] for name in added if "/" in name}
    for entry in source.iterdir():
        if entry.name in below:
            inside = {n.partition("/")[2]: text for n, text in added.items() if n.startswith(f"{entry.name}/")}
            mirror(entry, place / entry.name, inside)
        elif entry.name not in (".git", "runs", "__pycache__"):
            (place / entry.name).symlink_to(entry)
    for name, text in added.items():
        if "/" not in name:
            (place / name).write_text(text.lstrip())


@pytest.mark.slow
def test_a_task_about_what_the_shared_models_are_planted_with_is_three_files(tmp_path: Path) -> None:
    files = {
        "ground_truth/neurons/first_word.py": TASK,
        "prompts/neurons/first_word.md": PROMPT,
        "ground_truth/solutions/neurons/first_word.py": SOLUTION,
    }
    checkout = tmp_path / "checkout"
    mirror(suite_root(), checkout, files)
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPT],
        cwd=checkout,
        env={**os.environ, "SCRIBE_SUITE_ROOT": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    base_model, oracle, reference, solved, prompt = json.loads(done.stdout)
    assert base_model.startswith("neurons/language_model/")
    assert (oracle, reference) == (1.0, 1.0)  # the models were frozen before it: the key stands for the reference
    assert solved >= 0.8
    assert "# Neurons of one word" in prompt


# --- a kind of its own -------------------------------------------------------------------------------------------


class Endings(QuestionKind):
    """Which neurons fire on the tokens that end with a letter?"""

    id = "ending"
    bar = 0.4

    def tokens(self, letter: str) -> frozenset[int]:
        words = ((token, vocabulary().word(token)) for token in range(len(vocabulary())))
        return frozenset(token for token, word in words if word is not None and word.endswith(letter))

    def ask(self, name: str) -> Question:
        if not self.tokens(name):
            raise ValueError(f"no token ends with {name!r}")
        return self.question(name, Feature(f"ends with {name}", tokens=self.tokens(name)), "rises")

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        yield Supply(2, drawn_from(lambda letter: self.drawn(letter, rng), rng.sample(self.usual(), len(self.usual()))))

    def usual(self) -> list[str]:
        letters = [letter for letter in ascii_lowercase if self.tokens(letter)]
        return [letter for letter in letters if 0.02 <= survey().share(self.ask(letter).feature) <= 0.12]

    def drawn(self, letter: str, rng: random.Random) -> Question:
        bare, own = self.ask(letter), sorted(self.tokens(letter))
        halves = (response_to("some words", tokens=frozenset(rng.sample(own, len(own) // 2))) for _ in range(60))
        mixed = (response_to("and others", tokens=self.tokens(letter) | self.tokens(other)) for other in self.usual())
        misses = (near_miss(bare, "some words", halves), near_miss(bare, "other endings", mixed))
        targets: list[Target] = [*key_targets(bare, rng, [False, False]), *filter(None, misses)]
        return Question(self.id, letter, bare.feature, "rises", self.bar, tuple(targets))

    def possible_features(self) -> list[Feature]:
        return [self.ask(letter).feature for letter in self.usual()]


ENDINGS = Endings()


class EndingNeurons(PlantedNeuronTask):
    """Find the neurons of an ending."""

    name = "endings_of_a_test"
    summary = "Find the neurons that fire on one ending."
    models = ""
    kind = ENDINGS
    kinds = (ENDINGS,)
    config = {  # noqa: RUF012 - as the base class declares it
        "n_layers": 2, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32, "n_ctx": CONTEXT,
        "d_vocab": len(vocabulary()), "act_fn": "gelu", "normalization_type": "LN", "seed": None,
    }  # fmt: skip
    training = TrainingSettings(steps=2, rows=2, need_rows=2)

    def public_question(self, draw: Draw) -> dict[str, Any]:
        return {"ending": draw.names[0]}


@pytest.fixture(scope="module")
def task() -> EndingNeurons:
    torch.set_num_threads(1)
    return EndingNeurons()


@pytest.mark.slow
def test_a_task_with_a_kind_of_its_own_draws_plans_and_instances_from_it(task: EndingNeurons) -> None:
    plan = draw_plan(0, task.kinds, 2, 32)
    assert [question.kind for question in plan.questions] == ["ending", "ending"]
    base = Base("seed0", weights_of(untrained_twin(task.config, 0), task.config), key_of(plan, []), {})
    for seed in range(4):
        instance = task.instance_of(base, seed)
        (asked,) = instance.hidden.asked
        assert asked.question.id in base.key
        assert len(asked.neurons) == 2
        assert json.loads(instance.public.files["question.json"]) == {"ending": asked.question.name, "bar": 0.4}
        oracle = instance.answer_schema.parse(json.dumps(task.oracle_answer(instance)))
        assert task.primary_score(instance, oracle) == 1.0


@pytest.mark.slow
def test_planting_it_trains_and_certifies_its_own_models_under_its_own_name(
    task: EndingNeurons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps of training are not enough, and the certificate says so; a real model takes twenty minutes."""
    monkeypatch.setattr(evidence, "_ROWS", 48)
    for name, size in {"COUNTED_ROWS": 400, "TWINS": 2, "TWIN_ROWS": 32}.items():
        monkeypatch.setattr(certificate, f"_{name}", size)
    lines: list[str] = []
    with pytest.raises(FrozenModelError, match="neurons/endings_of_a_test") as caught:
        task.plant(0, lambda _, line: lines.append(line))
    failed = {"rve/ending/planted_min", "near_misses/all", "ablation/ending/question_min"}
    assert failed <= set(str(caught.value).split())
    assert "unigram/" not in str(caught.value)
    assert lines[-1] == "measuring the certificate"
    assert not frozen_folder(task).exists()


def test_a_task_that_asks_for_what_its_models_are_not_planted_with_says_what_to_do(task: EndingNeurons) -> None:
    base = Base("seed0", weights_of(untrained_twin(task.config, 0), task.config), {"unigram/boy": {"key": []}}, {})
    with pytest.raises(FrozenModelError, match=r"no questions of the kind 'ending': .* plant again"):
        task.instance_of(base, 0)
