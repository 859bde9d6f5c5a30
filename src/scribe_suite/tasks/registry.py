"""Which tasks exist: one for each level of each file ``ground_truth/<family>/<name>.py`` that defines a `Task`.

Task files import torch and more. `TaskRegistry.facts` gives lists and collection what they need without importing them,
as long as the files have not changed since the last import; a task's file is imported when the task itself is
requested.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import SHIPPED, installation, lookup_roots, suite_root
from scribe_suite.tasks.access import split_access
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.facts_cache import NOT_FAMILIES, forget_facts, keep_facts, read_facts, sources_key
from scribe_suite.tasks.task import PlantedTask, Task
from scribe_suite.text import by_last_number, shortened

#: As `--level` parses them.
LARGEST_LEVEL = 999
#: How similar two names must be for one to be suggested in place of the other.
_CLOSE = 0.7
_SHOWN_ID = 60


class TaskRegistry(Mapping[str, Task]):
    """The tasks of one suite by id, in a stable order, each in the default arm of its level.

    Other arms can be looked up by id, but are not among the keys.

    Args:
        facts: The facts of all tasks.
        load: Loads the tasks of the file that one of the facts describes, one for each level.
    """

    def __init__(self, facts: Iterable[TaskFacts], load: Callable[[TaskFacts], Sequence[Task]]) -> None:
        self._facts = {one.id: one for one in sorted(facts, key=lambda one: by_last_number(one.id))}
        self._load = load
        self._tasks: dict[str, Task] = {}

    @classmethod
    def of(cls, tasks: Iterable[Task]) -> TaskRegistry:
        """A registry of given tasks."""
        known = {task.id: task for task in tasks}
        return cls([task.known_facts() for task in known.values()], lambda facts: [known[facts.id]])

    @classmethod
    def discover(cls, root: Path) -> TaskRegistry:
        """Find the tasks below ``root/ground_truth``.

        Raises:
            ConfigurationError: When a file can't be imported, defines no task, or a task under another name.
        """
        make_importable(root)
        key = sources_key(root)
        facts = None if key is None else read_facts(root, key)
        if facts is None:
            facts = [task.known_facts() for path in _task_files(root) for task in _load(path)]
            _refuse_equal_ids(facts)
            if key is not None:
                keep_facts(root, key, facts)
        return cls(facts, partial(_load_unchanged, root))

    @property
    def facts(self) -> Mapping[str, TaskFacts]:
        """The facts of every task by id, in the same order; no file is imported."""
        return self._facts

    def __getitem__(self, task_id: str) -> Task:
        facts = self.facts_of(task_id)
        question = facts.question_id
        if question not in self._tasks:
            self._tasks |= {task.id: task for task in self._load(self._facts[question])}
        if task_id not in self._tasks:
            self._tasks[task_id] = type(self._tasks[question])(facts.level, facts.access)
        return self._tasks[task_id]

    def facts_of(self, task_id: str) -> TaskFacts:
        """The facts of a task in any arm; its file is not imported.

        Raises:
            ConfigurationError: When there is no such task, or it has no such arm.
        """
        question, access = split_access(task_id)
        facts = self._facts.get(question)
        if facts is None or (access is None and question != task_id):
            raise ConfigurationError(self._unknown(task_id))
        if access is None:
            return facts
        if access not in facts.accesses:
            raise ConfigurationError(
                f"{question} has no arm {access!r}: choose from {', '.join(map(repr, facts.accesses))}."
            )
        return facts.in_arm(access)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def families(self) -> list[str]:
        """The families that have at least one task."""
        return sorted({facts.family for facts in self._facts.values()})

    def facts_of_family(self, family: str, source: str = "all") -> list[TaskFacts]:
        """The facts of the tasks of one family; no file is imported.

        Args:
            family: Its name.
            source: ``planted``, ``real`` or ``all``.

        Raises:
            ConfigurationError: When there is no such family.
        """
        facts = [one for one in self._facts.values() if one.family == family]
        if not facts:
            raise ConfigurationError(f"Unknown task family {family!r}: choose from {', '.join(self.families())}.")
        return [one for one in facts if source in ("all", one.source)]

    def of_family(self, family: str, source: str = "all") -> list[Task]:
        """The tasks of one family, each once: at its lowest level; see `facts_of_family`."""
        return [self[facts.id] for facts in _lowest(self.facts_of_family(family, source))]

    def planted(self, task_id: str) -> PlantedTask:
        """Look up a task that has base models.

        Raises:
            ConfigurationError: When there is no such task, or its truth is not planted.
        """
        task = self[task_id]
        if not isinstance(task, PlantedTask) and task.source == "planted":
            raise ConfigurationError(f"{task.id} has no base models: each instance is written from its seed.")
        if not isinstance(task, PlantedTask):
            raise ConfigurationError(
                f"{task.id} has no base models, because its truth is measured: see `scribe-suite measure`."
            )
        return task

    def of_source(self, source: str) -> list[Task]:
        """The tasks on ``planted`` or on ``real`` models, each once: at its lowest level."""
        return [self[facts.id] for facts in self.questions() if facts.source == source]

    def questions(self) -> list[TaskFacts]:
        """The facts of each task once: at its lowest level."""
        return _lowest(self._facts.values())

    def _unknown(self, task_id: str) -> str:
        shown = shortened(task_id, _SHOWN_ID)
        family, _, name = task_id.rpartition("/")
        known = self._facts.values()
        # names alone: with "circuits/..." in front, all ids of a family look similar
        close = get_close_matches(name, [one.label for one in known], n=1, cutoff=_CLOSE)
        if close:
            meant = [one.id for one in known if one.label == close[0]]
            best = next((one for one in meant if one.startswith(f"{family}/")), meant[0])
            return f"Unknown task {shown!r}: did you mean {best!r}?"
        every = self.questions()  # levels by themselves would make a long list
        theirs = [one.id for one in every if one.family in (family, name)]
        return f"Unknown task {shown!r}: choose from {', '.join(theirs or [one.id for one in every])}."


def make_importable(root: Path) -> None:
    """Make ``ground_truth`` importable: the modules of a suite, then those of the suite that comes with the package.

    The latter goes to the end of the path, so that nothing in it shadows a package of the user's.

    Args:
        root: The suite.
    """
    own, *others = lookup_roots(root)
    if str(own) not in sys.path:
        sys.path.insert(len(sys.path) if own == installation() / SHIPPED else 0, str(own))
    sys.path += [str(other) for other in others if str(other) not in sys.path]


@cache
def default_registry() -> TaskRegistry:
    """The tasks of `suite_root()`."""
    return TaskRegistry.discover(suite_root())


def _lowest(facts: Iterable[TaskFacts]) -> list[TaskFacts]:
    """For each question, the lowest of its levels, in the same order."""
    listed = list(facts)
    levels: dict[tuple[str, str], int] = {}
    for one in listed:
        name = (one.family, one.name)
        levels[name] = min(one.level, levels.get(name, one.level))
    return [one for one in listed if one.level == levels[one.family, one.name]]


def _refuse_equal_ids(facts: Iterable[TaskFacts]) -> None:
    """Refuse two tasks with the same id, such as level 2 of ``position`` and a task named ``position_2``."""
    names: dict[str, str] = {}
    for one in facts:
        other = names.setdefault(one.id, one.name)
        if other != one.name:
            raise ConfigurationError(
                f"Two tasks have the id {one.id}: level {one.level} of {one.name!r} and {other!r}. Rename one of them."
            )


def _task_files(root: Path) -> list[Path]:
    return [
        path
        for path in sorted((root / "ground_truth").glob("*/*.py"))
        if path.parent.name not in NOT_FAMILIES and path.name != "__init__.py" and not path.name.startswith(".")
    ]


def _load_unchanged(root: Path, facts: TaskFacts) -> list[Task]:
    """Load the tasks of a file; they must still match `facts`.

    Raises:
        ConfigurationError: When they don't, or as for `_load`.
    """
    tasks = _load(root / "ground_truth" / facts.family / f"{facts.name}.py")
    if facts not in [task.known_facts() for task in tasks]:
        forget_facts(root)
        raise ConfigurationError(f"The task {facts.id} has changed since this program began: start it again.")
    return tasks


def _load(path: Path) -> list[Task]:
    """Load the task of a file, at each of its levels."""
    module_name = f"ground_truth.{path.parent.name}.{path.stem}"
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigurationError(f"{path} can't be imported ({type(error).__name__}: {error}): fix it.") from error
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Task) and not inspect.isabstract(value)
        if value.__module__ == module_name
    ]
    if len(own) != 1:
        raise ConfigurationError(
            f"{path} defines {len(own)} tasks where one file holds exactly one: put what tasks share into a folder "
            "beside them."
        )
    kind: type[Task] = own[0]
    if (kind.family, kind.name) != (path.parent.name, path.stem):
        raise ConfigurationError(
            f"{path} defines the task '{kind.family}/{kind.name}': set family and name to {path.parent.name!r} and "
            f"{path.stem!r}."
        )
    levels = kind.known_levels()
    wrong = [level for level in levels if not 1 <= level <= LARGEST_LEVEL]
    wrong += [level for level in (*kind.default_levels, *kind.headroom_levels) if level not in levels]
    if wrong:
        raise ConfigurationError(
            f"{path} has levels that can't be: {', '.join(map(str, wrong))}. Levels are from 1 to {LARGEST_LEVEL}, and "
            "those that run by default or have headroom are among them."
        )
    return [kind(level) for level in levels]
