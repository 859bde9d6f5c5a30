"""Prompts: jinja2 templates under ``prompts/``, one per task, around a shared preamble.

A task's template ``prompts/<family>/<name>.md`` extends ``preamble.md`` and sees the public facts of its instance, the
arm and what its laboratory grants, what is installed, the example answer and the limits. An undefined name is an error,
never an empty string that an agent would see.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from scribe_suite.errors import ConfigurationError
from scribe_suite.laboratory.terms import MEANINGS, OPERATIONS, Returns, Terms
from scribe_suite.paths import find_part, lookup_roots, within_suite
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.software import kernel_software
from scribe_suite.tasks.task import Task, TaskInstance

PREAMBLE = "preamble.md"

#: What a laboratory returns, in words.
_SAYS: Mapping[Returns, str] = {
    "logits": "its logits",
    "log_probs": "its log-probabilities",
    "labels": "the id with the largest logit, and nothing else",
    "samples": "one id, drawn from its probabilities at temperature {temperature:g}, and nothing else",
    "nothing": "withheld",
}
#: How many numbers of a list an example answer shows, and what replaces the others.
_SHOWN_NUMBERS, _REST = 3, "... {} numbers in all"
_REST_SHOWN = re.compile(r"\.\.\. (\d{1,7}) numbers in all")
_EXAMPLE = re.compile(r"```json\n(\{.*?\n\})\n```", re.DOTALL)
#: Longest list of an example answer that is kept on one line, in characters.
_LONGEST_LINE = 100


def prompt_path(root: Path, task: Task | TaskFacts) -> Path:
    """The path of `task`'s template.

    Raises:
        ConfigurationError: When it does not exist.
    """
    preamble = find_part(root, "prompts", PREAMBLE)
    path = find_part(root, "prompts", task.family, f"{task.name}.md")
    for needed in (preamble, path):
        if not needed.is_file():
            raise ConfigurationError(f"The prompt of {task.id} is missing: write {needed.relative_to(root)}.")
    return path


def prompt_sha256(root: Path, task: Task | TaskFacts) -> str:
    """Hash of everything that shapes the prompt: the task's template and all templates that it extends or includes.

    Raises:
        ConfigurationError: When one of them does not exist or is not a valid template.
    """
    paths = _with_used(root, prompt_path(root, task), ())
    ordered = sorted(paths, key=lambda path: Path(_shown(root, path)))  # whichever suites they are of
    return hashlib.sha256(b"".join(path.read_bytes() for path in ordered)).hexdigest()


def _with_used(root: Path, path: Path, users: tuple[Path, ...]) -> set[Path]:
    """A template and all templates that it extends or includes; `users` are the ones that lead to it."""
    way, found = (*users, path), {path}
    for name in _referenced(root, path):
        used = find_part(root, "prompts", name)
        if not used.is_file() or used in way:
            raise ConfigurationError(f"The prompt {_shown(root, path)} uses {name}, which can't be used.")
        found |= _with_used(root, used, way)
    return found


def _shown(root: Path, path: Path) -> str:
    """The path of a template as messages name it: within its suite."""
    return within_suite(root, path).as_posix()


def _referenced(root: Path, path: Path) -> list[str]:
    try:
        parsed = jinja2.Environment(autoescape=False).parse(path.read_text())
    except jinja2.TemplateError as error:
        raise ConfigurationError(f"The prompt {_shown(root, path)} can't be read: {error}.") from error
    return [name for name in jinja2.meta.find_referenced_templates(parsed) if name is not None]


def render_prompt(root: Path, instance: TaskInstance, limits: Mapping[str, Any], pass_mark: float | None = None) -> str:
    """The text an agent gets for `instance`.

    Args:
        root: The suite with the ``prompts/`` folder.
        instance: Only its public facts and answer schema are used.
        limits: ``agent_timeout_s``, ``cell_timeout_s``, ``max_turns`` (or None).
        pass_mark: The skill from which the attempt counts as solved; the task's own by default.

    Raises:
        ConfigurationError: When the template is missing, or names something that does not exist.
    """
    path, handed = prompt_path(root, instance.task), instance.handed
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([one / "prompts" for one in lookup_roots(root)]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown for a model, not HTML
    )
    try:
        return environment.get_template(f"{instance.task.family}/{path.name}").render(
            facts=dict(instance.public.facts),
            files=sorted(handed.files),
            setup_code=handed.setup_code,
            software=kernel_software(),
            access=handed.access,
            lab=None if handed.terms is None else _laboratory(handed.terms, instance.public.unit),
            answer_example=_example(instance.answer_schema.example),
            has_nulls=instance.answer_schema.has_nulls,
            limits=dict(limits),
            pass_mark=instance.task.pass_mark if pass_mark is None else pass_mark,
        )
    except jinja2.TemplateError as error:
        raise ConfigurationError(f"The prompt {_shown(root, path)} can't be rendered: {error}.") from error


def _laboratory(terms: Terms, unit: str) -> dict[str, Any]:
    """What a template may use about a laboratory."""
    return {
        "unit": unit,
        "budget": terms.budget,
        "returns": terms.returns,
        "positions": terms.positions,
        "meaning": _SAYS[terms.returns].format(temperature=terms.temperature),
        "can": {operation: operation in terms.operations for operation in OPERATIONS},
        "missing": [MEANINGS[operation] for operation in MEANINGS if operation not in terms.operations],
        "noise": terms.read_noise,
        "sites_per_run": terms.sites_per_run,
    }


def _example(example: Mapping[str, Any]) -> str:
    """Indented JSON; long lists of numbers are shortened, since a probe has as many numbers as the model is wide."""
    indented = json.dumps({name: _shortened(value) for name, value in example.items()}, indent=2)
    return re.sub(r"\[\n\s*([^\[\]{}]*?)\s+\]", _on_one_line, indented)


def _shortened(value: object) -> object:
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        return [_shortened(part) for part in value]
    if not isinstance(value, list) or len(value) <= _SHOWN_NUMBERS or not all(map(_is_number, value)):
        return value
    return [*value[:_SHOWN_NUMBERS], _REST.format(len(value))]


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _on_one_line(found: re.Match[str]) -> str:
    one_line = f"[{' '.join(found[1].split())}]"
    return one_line if len(one_line) <= _LONGEST_LINE else found[0]


def example_in(prompt: str) -> dict[str, Any]:
    """The example answer in a prompt, with a zero for each number that was left out.

    Raises:
        ValueError: When it shows no example.
    """
    shown = _EXAMPLE.search(prompt)
    if shown is None:
        raise ValueError("the prompt shows no answer")
    return {name: _completed(value) for name, value in json.loads(shown[1]).items()}


def _completed(value: object) -> object:
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        return [_completed(part) for part in value]
    if isinstance(value, list) and value and isinstance(value[-1], str) and (rest := _REST_SHOWN.fullmatch(value[-1])):
        return [*value[:-1], *[0.0] * (int(rest[1]) - len(value) + 1)]
    return value
