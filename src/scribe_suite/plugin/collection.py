"""Collection: a test marked with a family becomes one test per task, provider and trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.attempt_folder import PARTS
from scribe_suite.paths import suite_root
from scribe_suite.plugin.attempt_keys import KEY_FIXTURE, AttemptKey
from scribe_suite.plugin.settings import SETTINGS, Settings
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.prompts import prompt_path
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import REFERENCE, solution_path

MARKERS = (
    "family(name): run this test for every task of the family, every provider and every trial",
    "metrics(name, ...): the metrics this test records; every task of the family must have them",
    "pass_mark(skill): the skill from which a task counts as solved; --pass-mark overrides it",
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip the folders of attempts, wherever they are: agents' files are never tests, conftests or plugins."""
    return True if all((collection_path / part).is_dir() for part in PARTS) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of other shards and tests that a resumed run has already; the same in every worker."""
    settings = config.stash[SETTINGS]
    chosen = [item for item in items if settings.selects(item.nodeid)]
    if len(chosen) < len(items):
        kept = set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise a test that asks for an attempt."""
    if KEY_FIXTURE not in metafunc.fixturenames:
        return
    settings = metafunc.config.stash[SETTINGS]
    try:
        tasks = _tasks_of(metafunc.definition, settings)
    except ConfigurationError as error:
        # a CollectError is shown as its message alone, without a traceback
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {error}") from error
    keys = [
        AttemptKey(task.id, provider, trial)
        for task in tasks
        for provider in settings.providers
        if task.access != "outputs" or provider.name != REFERENCE  # a black box has no reference solution
        for trial in range(settings.trials)
    ]
    metafunc.parametrize(KEY_FIXTURE, keys, ids=[key.test_id for key in keys])


def marked_metrics(node: pytest.Item) -> tuple[str, ...] | None:
    """The names in the metrics marker, or None without one."""
    marker = node.get_closest_marker("metrics")
    return None if marker is None else tuple(marker.args)


def marked_pass_mark(node: pytest.Item) -> float | None:
    """The number in the pass_mark marker, or None without one."""
    marker = node.get_closest_marker("pass_mark")
    return None if marker is None else float(marker.args[0])


def _tasks_of(definition: pytest.Item, settings: Settings) -> list[TaskFacts]:
    """The tasks that a test runs for; checks its markers and the tasks' files first.

    Raises:
        ConfigurationError: With one sentence that names the marker or file.
    """
    family = definition.get_closest_marker("family")
    if family is None or len(family.args) != 1 or family.kwargs:
        raise ConfigurationError('mark the test with @pytest.mark.family("circuits") or another family.')
    registry = default_registry()
    tasks = [
        arm
        for task in registry.facts_of_family(family.args[0], settings.model_source)
        if settings.levels.chooses(task)
        for arm in settings.arms.of(task)
    ]
    _check_metrics(definition, tasks)
    _check_pass_mark(definition)
    root = suite_root()
    for task in tasks:
        prompt_path(root, task)
        if task.access != "outputs":  # a black box has no reference solution
            solution_path(root, task)
    return tasks


def _check_metrics(definition: pytest.Item, tasks: list[TaskFacts]) -> None:
    marker = definition.get_closest_marker("metrics")
    if marker is None:
        return
    if not marker.args or marker.kwargs or not all(isinstance(name, str) for name in marker.args):
        raise ConfigurationError('the metrics marker takes names, as in @pytest.mark.metrics("iou", "recall").')
    for task in tasks:
        missing = [name for name in marker.args if name not in task.metrics]
        if missing:
            raise ConfigurationError(
                f"the metrics marker names {', '.join(map(repr, missing))}, but {task.id} has "
                f"{', '.join(task.metrics)}."
            )


def _check_pass_mark(definition: pytest.Item) -> None:
    marker = definition.get_closest_marker("pass_mark")
    if marker is None:
        return
    value = marker.args[0] if len(marker.args) == 1 and not marker.kwargs else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise ConfigurationError("the pass_mark marker takes one skill between -1 and 1, as in pass_mark(0.8).")
