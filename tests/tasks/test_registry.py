"""The registry finds every task file and says of a bad one which it is and what is wrong with it."""

from __future__ import annotations

import importlib
import itertools
import sys
from types import SimpleNamespace

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import TaskRegistry, default_registry
from scribe_suite.tasks.task import Task

TASK = """
from scribe_suite.tasks import Task


class Example(Task):
    family = {family!r}
    name = {name!r}
    summary = "an example"
    metrics = ("accuracy",)

    def plant(self, seed, progress): ...
    def instance(self, seed): ...
    def score(self, instance, answer): ...
    def oracle_answer(self, instance): ...
    def random_answer(self, instance, rng): ...
"""

_families = (f"example{number}" for number in itertools.count())


class Checkout:
    """An empty checkout whose family name no other test uses, because Python remembers modules by name."""

    def __init__(self, root):
        self.root = root
        self.family = next(_families)
        (root / "ground_truth" / self.family).mkdir(parents=True)

    def write(self, name, text=None, family=None, **fields):
        content = text if text is not None else TASK.format(family=self.family, name=name, **fields)
        path = self.root / "ground_truth" / (family or self.family) / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        importlib.invalidate_caches()

    def discover(self):
        return TaskRegistry.discover(self.root)

    def refused(self):
        with pytest.raises(ConfigurationError) as caught:
            self.discover()
        return str(caught.value)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield Checkout(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("ground_truth.example"):
            del sys.modules[name]


def test_tasks_are_found_and_sorted_by_id(checkout):
    checkout.write("second")
    checkout.write("first")
    registry = checkout.discover()
    assert list(registry) == [f"{checkout.family}/first", f"{checkout.family}/second"]
    assert len(registry) == 2
    assert registry.families() == [checkout.family]
    assert [task.name for task in registry.of_family(checkout.family)] == ["first", "second"]
    assert all(isinstance(task, Task) for task in registry.values())


def test_helpers_solutions_and_frozen_models_are_no_tasks(checkout):
    checkout.write("real")
    checkout.write("real/helper", text="HELP = 1")
    checkout.write("real", text="not python at all", family="solutions")
    checkout.write("real", text="not python at all", family="frozen")
    assert list(checkout.discover()) == [f"{checkout.family}/real"]


def test_a_task_with_levels_is_there_once_for_each_of_them(checkout):
    text = TASK.format(family=checkout.family, name="deep").replace(
        "    def plant", '    levels = {2: "100 experiments", 10: "20 experiments"}\n    def plant', 1
    )
    checkout.write("deep", text=text)
    registry = checkout.discover()
    assert {name: task.level for name, task in registry.items()} == {
        f"{checkout.family}/deep_10": 10,
        f"{checkout.family}/deep_2": 2,
    }
    assert {task.label for task in registry.values()} == {"deep_2", "deep_10"}


def test_a_checkout_without_tasks_has_an_empty_registry(checkout):
    assert list(checkout.discover()) == []


def test_an_unknown_task_is_answered_with_the_nearest(checkout):
    checkout.write("greater_than")
    checkout.write("cities")
    registry = checkout.discover()
    for wanted in (f"{checkout.family}/greater_then", "greater_than", "probe/greater_than"):
        with pytest.raises(ConfigurationError) as caught:
            registry[wanted]
        assert str(caught.value) == f"Unknown task {wanted!r}: did you mean '{checkout.family}/greater_than'?"
        assert wanted not in registry
    assert f"{checkout.family}/cities" in registry


def test_a_name_that_two_families_have_is_taken_from_the_one_that_was_named():
    tasks = {f"{family}/same": SimpleNamespace(id=f"{family}/same", family=family, label="same") for family in "ab"}
    with pytest.raises(ConfigurationError, match=r"did you mean 'b/same'\?"):
        TaskRegistry(tasks)["b/saame"]


@pytest.mark.parametrize("wanted", ["circuits", "circuits/nope", "circuits/"])
def test_a_name_like_no_other_is_answered_with_the_tasks_of_its_family(wanted):
    registry = default_registry()
    theirs = ", ".join(task.id for task in registry.of_family("circuits"))
    with pytest.raises(ConfigurationError) as caught:
        registry[wanted]
    assert str(caught.value) == f"Unknown task {wanted!r}: choose from {theirs}."


def test_a_name_of_no_family_is_answered_with_all_tasks_and_not_repeated_at_length():
    with pytest.raises(ConfigurationError) as caught:
        default_registry()["z" * 15_000]
    assert str(caught.value) == f"Unknown task '{'z' * 57}...': choose from {', '.join(default_registry())}."


def test_an_unknown_family_is_answered_with_the_choices(checkout):
    checkout.write("cities")
    with pytest.raises(ConfigurationError, match=f"Unknown task family 'nope': choose from {checkout.family}"):
        checkout.discover().of_family("nope")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_reason(checkout, text, reason):
    checkout.write("broken", text=text)
    message = checkout.refused()
    assert f"{checkout.family}/broken.py can't be imported ({reason}" in message
    assert message.endswith("mend it.")


def test_a_file_without_a_task_says_where_helpers_belong(checkout):
    checkout.write("helpers", text="from scribe_suite.tasks import Task\nX = 1")
    message = checkout.refused()
    assert "helpers.py defines 0 tasks" in message
    assert "into a folder beside them" in message


def test_two_tasks_in_one_file_are_refused(checkout):
    both = TASK.format(family=checkout.family, name="one") + TASK.format(family=checkout.family, name="two").replace(
        "Example", "Other"
    )
    checkout.write("one", text=both)
    assert "one.py defines 2 tasks where one file holds exactly one" in checkout.refused()


def test_an_abstract_base_of_the_task_is_not_counted(checkout):
    base = "from scribe_suite.tasks import Task\nclass Base(Task):\n    pass\n"
    checkout.write("one", text=base + TASK.format(family=checkout.family, name="one"))
    assert list(checkout.discover()) == [f"{checkout.family}/one"]


@pytest.mark.parametrize("wrong", ["family", "name"])
def test_a_task_under_another_name_says_what_to_set(checkout, wrong):
    fields = {"family": checkout.family, "name": "here", wrong: "elsewhere"}
    checkout.write("here", text=TASK.format(**fields))
    message = checkout.refused()
    assert f"defines the task '{fields['family']}/{fields['name']}'" in message
    assert f"set family and name to {checkout.family!r} and 'here'" in message


def test_an_incomplete_task_is_no_task(checkout):
    checkout.write("half", text=TASK.format(family=checkout.family, name="half").replace("def score", "def scare"))
    assert "half.py defines 0 tasks" in checkout.refused()


def test_every_task_of_this_checkout_is_complete():
    registry = default_registry()
    assert "probes/greater_than" in registry
    for task_id, task in registry.items():
        assert task_id == task.id
        assert (suite_root() / "ground_truth" / f"{task_id}.py").is_file()
        assert task.summary
        assert len(set(task.metrics)) == len(task.metrics) > 0
        assert 0 < task.pass_mark <= 1
        assert task.version >= 1
