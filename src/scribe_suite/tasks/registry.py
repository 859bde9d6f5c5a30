"""Which tasks exist: one for each level of each file ``ground_truth/<family>/<name>.py`` that defines a `Task`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.tasks.task import PlantedTask, Task
from scribe_suite.text import shortened

_NOT_FAMILIES = {"solutions", "frozen", "measured"}
_CLOSE = 0.7
"""How much alike two names must be for one to be a slip of the other."""
_SHOWN_ID = 60


class TaskRegistry(Mapping[str, Task]):
    """The tasks of one checkout by id, in a stable order."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = dict(sorted(tasks.items()))

    @classmethod
    def discover(cls, root: Path) -> TaskRegistry:
        """Import every task file below ``root/ground_truth``.

        Raises:
            ConfigurationError: When a file can't be imported, defines no task, or a task under another name.
        """
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        found: dict[str, Task] = {}
        for path in _task_files(root):
            found |= {task.id: task for task in _load(path)}
        return cls(found)

    def __getitem__(self, task_id: str) -> Task:
        try:
            return self._tasks[task_id]
        except KeyError:
            raise ConfigurationError(self._unknown(task_id)) from None

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def families(self) -> list[str]:
        """The families that have at least one task."""
        return sorted({task.family for task in self._tasks.values()})

    def of_family(self, family: str, source: str = "all") -> list[Task]:
        """The tasks of one family.

        Args:
            family: Its name.
            source: ``planted``, ``real`` or ``all``.

        Raises:
            ConfigurationError: When there is no such family.
        """
        tasks = [task for task in self._tasks.values() if task.family == family]
        if not tasks:
            raise ConfigurationError(f"Unknown task family {family!r}: choose from {', '.join(self.families())}.")
        return [task for task in tasks if source in ("all", task.source)]

    def planted(self, task_id: str) -> PlantedTask:
        """A task that has base models.

        Raises:
            ConfigurationError: When there is no such task, or its truth is not planted.
        """
        task = self[task_id]
        if not isinstance(task, PlantedTask):
            raise ConfigurationError(
                f"{task.id} has no base models, because its truth is measured: see `scribe-suite measure`."
            )
        return task

    def of_source(self, source: str) -> list[Task]:
        """The tasks on ``planted`` or on ``real`` models."""
        return [task for task in self._tasks.values() if task.source == source]

    def _unknown(self, task_id: str) -> str:
        shown = shortened(task_id, _SHOWN_ID)
        family, _, name = task_id.rpartition("/")
        # by names alone: in "circuits/..." every id of the family is much like every other
        close = get_close_matches(name, [task.label for task in self._tasks.values()], n=1, cutoff=_CLOSE)
        if close:
            meant = [task.id for task in self._tasks.values() if task.label == close[0]]
            best = next((one for one in meant if one.startswith(f"{family}/")), meant[0])
            return f"Unknown task {shown!r}: did you mean {best!r}?"
        theirs = [task.id for task in self._tasks.values() if task.family in (family, name)]
        return f"Unknown task {shown!r}: choose from {', '.join(theirs or self._tasks)}."


@cache
def default_registry() -> TaskRegistry:
    """The tasks of `suite_root()`."""
    return TaskRegistry.discover(suite_root())


def _task_files(root: Path) -> list[Path]:
    return [
        path
        for path in sorted((root / "ground_truth").glob("*/*.py"))
        if path.parent.name not in _NOT_FAMILIES and path.name != "__init__.py"
    ]


def _load(path: Path) -> list[Task]:
    """The task of a file, at each of its levels."""
    module_name = f"ground_truth.{path.parent.name}.{path.stem}"
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigurationError(f"{path} can't be imported ({type(error).__name__}: {error}): mend it.") from error
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
    return [kind(level) for level in sorted(kind.levels) or [1]]
