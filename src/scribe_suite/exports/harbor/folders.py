"""Writes instances of a task as Harbor task folders (schema 1.4).

``environment/`` is the build context of the agent's container: the public part of the instance, the packages of the
suite that make a notebook of it, and, where there is a laboratory, its model, which only the notebook's user can read.
``tests/`` is that of the verifier: the key, the task's code and base models. ``solution/`` is the reference solution.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from scribe_suite.errors import ConfigurationError
from scribe_suite.exports.harbor import grade, texts
from scribe_suite.exports.harbor.grade import Key, handed_sha256
from scribe_suite.exports.harbor.inside import serve, solve
from scribe_suite.exports.harbor.inside.frozen import DESCRIPTION, FILES, MODEL, FrozenInstance, FrozenLaboratory
from scribe_suite.notebook.config import CELL_TIMEOUT_S
from scribe_suite.paths import find_part, lookup_roots, suite_root
from scribe_suite.plugin.worker.kernels import preload_for
from scribe_suite.seeds import attempt_seed, derive_seed
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_text
from scribe_suite.tasks.task import Task, TaskInstance

SCHEMA = "1.4"
#: Packages of the suite that a notebook needs; those of the base come with them.
NOTEBOOK_PARTS = ("laboratory", "notebook", "sandbox", "tasks")
INSIDE = "exports/harbor/inside"
#: Left out of copies.
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
#: Left out of the ground truth: real models, and what only exporting needs.
_NOT_OF_PLANTED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".*", "frozen", "measured", "solutions", "controls.json", "*_real.py", "*_real", "real"
)
#: Seconds that scoring may take.
VERIFIER_S = 900.0


def export_task(
    task_id: str, seed: int, instances: int, output: Path, *, organisation: str, agent_timeout_s: float
) -> Iterator[Path]:
    """Write the instances of trials 0, 1, ... of a run with a given seed.

    Args:
        task_id: The task.
        seed: The run seed.
        instances: How many.
        output: A folder that exists and is empty.
        organisation: The part of Harbor's name before the slash.
        agent_timeout_s: Seconds that an agent has.

    Yields:
        Each folder when it is complete.

    Raises:
        ConfigurationError: When the task can't be exported.
    """
    task = default_registry()[task_id]
    if task.source != "planted":
        raise ConfigurationError(
            f"{task_id} is about a real language model, which no folder can contain: export a task on planted models."
        )
    solution = solution_text(suite_root(), task)
    for trial in range(instances):
        instance = task.instance(attempt_seed(seed, task.question_id, trial))
        name = f"{task.label.replace('_', '-')}-{trial + 1:03d}"
        folder = output / name
        _write(folder, f"{task.family}-{name}", task, instance, solution, organisation, agent_timeout_s)
        yield folder


def _write(
    folder: Path,
    name: str,
    task: Task,
    instance: TaskInstance,
    solution: str,
    organisation: str,
    agent_timeout_s: float,
) -> None:
    limits = {"agent_timeout_s": agent_timeout_s, "cell_timeout_s": CELL_TIMEOUT_S, "max_turns": None}
    prompt = render_prompt(suite_root(), instance, limits)
    _text(folder / "instruction.md", texts.INSTRUCTION.format(prompt=prompt.rstrip(), server=texts.SERVER))
    _text(folder / "task.toml", texts.toml(_configuration(name, task, organisation, agent_timeout_s)))
    _text(folder / "README.md", f"# {organisation}/{name}\n\n{task.summary}\n\n{texts.WARNING}\n")
    _environment(folder / "environment", name, task, instance, agent_timeout_s)
    _tests(folder / "tests", name, task, instance)
    _text(folder / "solution" / "solution.py", solution)
    _script(folder / "solution" / "solve.sh", texts.SOLVE.format(home=texts.HOME, module=solve.__name__))


def _configuration(name: str, task: Task, organisation: str, agent_timeout_s: float) -> dict[str, Any]:
    machine = {"network_mode": "public", "build_timeout_sec": 1800.0, "cpus": 2, "memory_mb": 8192}
    return {
        "schema_version": SCHEMA,
        "artifacts": [texts.STATE],
        "task": {
            "name": f"{organisation}/{name}",
            "version": str(task.version),
            "description": task.summary,
            "keywords": ["interpretability", task.family],
        },
        "metadata": {"suite": "scribe-suite", "task": task.id, "level": task.level, "public_warning": texts.WARNING},
        "agent": {"timeout_sec": agent_timeout_s, "user": texts.AGENT},
        "environment": {
            **machine,
            "mcp_servers": [{"name": texts.SERVER, "transport": "stdio", "command": f"{texts.HOME}/serve", "args": []}],
        },
        "verifier": {
            "timeout_sec": VERIFIER_S,
            "environment_mode": "separate",
            "environment": {**machine, "network_mode": "no-network"},
        },
    }


def _environment(folder: Path, name: str, task: Task, instance: TaskInstance, agent_timeout_s: float) -> None:
    handed = instance.handed
    frozen = freeze(name, task, instance, agent_timeout_s)
    _text(folder / "instance" / DESCRIPTION, frozen.model_dump_json(indent=1) + "\n")
    _files(folder / "instance" / FILES, handed.files)
    if frozen.laboratory is not None:
        _files(folder / "instance" / MODEL, instance.public.run_files)
    _copy_package(folder / "code", (*NOTEBOOK_PARTS, INSIDE))
    _script(folder / "serve", texts.SERVE.format(notebook=texts.NOTEBOOK))
    _script(folder / "start", texts.START.format(module=serve.__name__, state=texts.STATE))
    _container(folder, texts.AGENT_DOCKERFILE)


def freeze(name: str, task: Task, instance: TaskInstance, agent_timeout_s: float) -> FrozenInstance:
    """The description of an instance for its container.

    Args:
        name: The instance's name.
        task: Its task.
        instance: The instance.
        agent_timeout_s: Seconds that an agent has.

    Raises:
        ConfigurationError: When answers can't be validated without the task's code.
    """
    handed, schema = instance.handed, instance.answer_schema
    if not schema.model.__module__.startswith("scribe_suite."):
        raise ConfigurationError(
            f"The answers of {task.id} are of the class {schema.model.__name__}, which is not one of the package: such "
            "a task can't be exported, since its code would have to be in the agent's container."
        )
    laboratory = None
    if handed.terms is not None:
        secret = derive_seed(instance.seed, "laboratory").to_bytes(8, "big").hex()
        laboratory = FrozenLaboratory(terms=handed.terms, secret=secret)
    return FrozenInstance(
        id=name,
        task=task.id,
        version=task.version,
        setup=handed.setup_code,
        preload=list(preload_for(handed.setup_code)),
        cell_timeout_s=CELL_TIMEOUT_S,
        life_s=2 * agent_timeout_s,  # also of an agent that is given more time
        answer_model=f"{schema.model.__module__}:{schema.model.__name__}",
        facts=json.loads(json.dumps(dict(schema.facts))),
        example=dict(schema.example),
        laboratory=laboratory,
    )


def _tests(folder: Path, name: str, task: Task, instance: TaskInstance) -> None:
    key = Key(id=name, task=task.id, version=task.version, seed=instance.seed, sha256=handed_sha256(instance))
    _text(folder / "key.json", key.model_dump_json(indent=1) + "\n")
    _copy_package(folder / "code", ())
    suite = folder / "code" / "scribe_suite" / "suite"
    for root in reversed(lookup_roots(suite_root())):  # a suite of one's own over the one of the package
        for part in ("ground_truth", "prompts"):
            if (root / part).is_dir():
                shutil.copytree(root / part, suite / part, ignore=_NOT_OF_PLANTED, dirs_exist_ok=True)
    if (models_id := task.known_facts().models_id) is not None:
        models = ("ground_truth", "frozen", *models_id.split("/"))
        shutil.copytree(find_part(suite_root(), *models), suite.joinpath(*models), ignore=_NOT_COPIED)
    _script(folder / "test.sh", texts.TEST.format(module=grade.__name__, state=texts.STATE))
    _container(folder, texts.VERIFIER_DOCKERFILE)


def _container(folder: Path, dockerfile: str) -> None:
    image = f"python:{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}-slim"
    content = dockerfile.format(
        image=image, home=texts.HOME, state=texts.STATE, agent=texts.AGENT, notebook=texts.NOTEBOOK
    )
    _text(folder / "Dockerfile", content)
    _text(folder / ".dockerignore", texts.IGNORED)
    _text(folder / "docker-compose.yaml", texts.COMPOSE)
    _text(folder / "requirements.txt", "".join(f"{line}\n" for line in sorted(_requirements())))


def _requirements() -> Iterator[str]:
    """The packages that the suite needs, in the versions that are installed here."""
    for line in requires("scribe-suite") or ():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            yield f"{needed.name}=={version(needed.name).partition('+')[0]}"
        except PackageNotFoundError:
            yield str(needed)


def _copy_package(folder: Path, parts: tuple[str, ...]) -> None:
    """Copy the package without its suite: all of it, or some parts with the modules of the base."""
    package = Path(sys.modules["scribe_suite"].__path__[0])
    target = folder / "scribe_suite"
    if not parts:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "suite")
        shutil.copytree(package, target, ignore=ignored)
        return
    target.mkdir(parents=True)
    for path in sorted(package.glob("*.py")):
        shutil.copyfile(path, target / path.name)
    for part in parts:
        shutil.copytree(package / part, target / part, ignore=_NOT_COPIED)
        for above in list(Path(part).parents)[:-1]:
            shutil.copyfile(package / above / "__init__.py", target / above / "__init__.py")


def _files(folder: Path, files: Any) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _script(path: Path, text: str) -> None:
    _text(path, text)
    path.chmod(0o755)
