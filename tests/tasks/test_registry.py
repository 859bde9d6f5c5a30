"""The registry finds every task file and says of a bad one which it is and what is wrong with it."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import TaskRegistry, default_registry
from scribe_suite.tasks.task import Task

TASK = """
from scribe_suite.tasks import PlantedTask


class Example(PlantedTask):
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
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path / "checkout")
    yield Checkout(tmp_path / "checkout")
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
    assert [task.level for task in registry.values()] == [2, 10]
    assert {task.label for task in registry.values()} == {"deep_2", "deep_10"}


def test_two_tasks_with_one_id_are_refused(checkout):
    text = TASK.format(family=checkout.family, name="deep").replace(
        "    def plant", '    levels = {1: "one", 2: "two"}\n    def plant', 1
    )
    checkout.write("deep", text=text)
    checkout.write("deep_2")
    message = checkout.refused()
    assert f"Two tasks have the id {checkout.family}/deep_2" in message
    assert "Rename one of them." in message


@pytest.mark.parametrize(
    ("levels", "defaults", "named"), [("{0: 'a'}", "()", "0"), ("{1: 'a', 2: 'b'}", "(3,)", "3"), ("{}", "(2,)", "2")]
)
def test_levels_that_can_not_be_are_refused(checkout, levels, defaults, named):
    text = TASK.format(family=checkout.family, name="deep").replace(
        "    def plant", f"    levels, default_levels = {levels}, {defaults}\n    def plant", 1
    )
    checkout.write("deep", text=text)
    assert f"has levels that can't be: {named}." in checkout.refused()


def test_what_editors_leave_and_what_cannot_be_read_costs_the_cache_only(checkout):
    checkout.write("one")
    folder = checkout.root / "ground_truth" / checkout.family
    (folder / ".#one.py").symlink_to("gone")
    assert list(checkout.discover()) == [f"{checkout.family}/one"]


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
    ioi = default_registry().facts["circuits/ioi"]
    facts = [ioi.model_copy(update={"family": family, "label": "same"}) for family in "ab"]
    with pytest.raises(ConfigurationError, match=r"did you mean 'b/same'\?"):
        TaskRegistry(facts, list)["b/saame"]


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
    assert (
        str(caught.value)
        == f"Unknown task '{'z' * 57}...': choose from {', '.join(one.id for one in default_registry().questions())}."
    )


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
    assert message.endswith("fix it.")


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
    base = "from scribe_suite.tasks import PlantedTask\nclass Base(PlantedTask):\n    pass\n"
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
        assert (suite_root() / "ground_truth" / task.family / f"{task.name}.py").is_file()
        assert task.summary
        assert len(set(task.metrics)) == len(task.metrics) > 0
        assert 0 < task.pass_mark <= 1
        assert task.version >= 1


def test_facts_are_known_without_importing_a_file_twice(checkout):
    checkout.write("cities")
    assert checkout.discover().facts[f"{checkout.family}/cities"].metrics == ("accuracy",)
    del sys.modules[f"ground_truth.{checkout.family}.cities"]
    registry = checkout.discover()
    assert list(registry) == [f"{checkout.family}/cities"]
    assert registry.facts_of_family(checkout.family, "real") == []
    assert f"ground_truth.{checkout.family}.cities" not in sys.modules
    task = registry[f"{checkout.family}/cities"]
    assert task is registry[f"{checkout.family}/cities"]
    assert task.known_facts() == registry.facts[task.id]


def test_every_level_has_its_facts_and_its_task(checkout):
    text = TASK.format(family=checkout.family, name="graded").replace(
        "    metrics =", '    levels = {3: "hard", 1: "easy"}\n    default_levels = (3,)\n    metrics ='
    )
    checkout.write("graded", text=text)
    for registry in (checkout.discover(), checkout.discover()):
        facts = list(registry.facts.values())
        assert [(one.label, one.level) for one in facts] == [("graded", 1), ("graded_3", 3)]
        assert [one.is_default for one in facts] == [False, True]
        assert [one.models_id for one in facts] == [one.id for one in facts]
        assert [registry[one.id].level for one in facts] == [1, 3]


def test_a_task_that_is_not_what_was_kept_of_it_is_refused_and_looked_at_anew(checkout):
    checkout.write("cities")
    checkout.discover()
    (kept,) = (checkout.root.parent / "cache" / "tasks").glob("*.json")
    kept.write_text(kept.read_text().replace('"pass_mark":0.8', '"pass_mark":0.1'))
    registry = checkout.discover()
    assert registry.facts[f"{checkout.family}/cities"].pass_mark == 0.1
    with pytest.raises(ConfigurationError, match=r"The task .*/cities has changed since this program began: start it"):
        registry[f"{checkout.family}/cities"]
    assert checkout.discover()[f"{checkout.family}/cities"].pass_mark == 0.8


def test_a_file_that_changes_while_the_program_runs_is_refused(checkout):
    checkout.write("cities")
    checkout.discover()
    del sys.modules[f"ground_truth.{checkout.family}.cities"]
    registry = checkout.discover()
    checkout.write("cities", text=TASK.format(family=checkout.family, name="cities") + "    version = 2\n")
    with pytest.raises(ConfigurationError, match="start it again"):
        registry[f"{checkout.family}/cities"]


@pytest.mark.parametrize("own", [None, "unavailable", "truth_facts"])
def test_facts_say_when_only_the_task_knows_whether_it_is_there(checkout, own):
    text = TASK.format(family=checkout.family, name="cities")
    checkout.write("cities", text=text + (f"    def {own}(self): return None\n" if own else ""))
    (facts,) = checkout.discover().facts.values()
    assert facts.decides_itself is (own is not None)
