"""Prompts: jinja2 templates under ``prompts/``, one per task, around a shared preamble.

A task's template ``prompts/<family>/<name>.md`` extends ``preamble.md`` and sees the public facts of its instance, the
example answer and the limits. An undefined name is an error, never an empty string in front of an agent.
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
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.task import Task, TaskInstance

PREAMBLE = "preamble.md"


def prompt_path(root: Path, task: Task | TaskFacts) -> Path:
    """Where the template of `task` lies.

    Raises:
        ConfigurationError: When it does not exist.
    """
    path = root / "prompts" / task.family / f"{task.name}.md"
    for needed in (root / "prompts" / PREAMBLE, path):
        if not needed.is_file():
            raise ConfigurationError(f"The prompt of {task.id} is missing: write {needed.relative_to(root)}.")
    return path


def prompt_sha256(root: Path, task: Task | TaskFacts) -> str:
    """Hash of everything that shapes the prompt: the task's template and all templates that it extends.

    Raises:
        ConfigurationError: When one of them does not exist or is no template.
    """
    chain = [prompt_path(root, task)]
    while parents := _parents(root, chain[0]):
        parent = root / "prompts" / parents[0]
        if not parent.is_file() or parent in chain:
            raise ConfigurationError(
                f"The prompt {chain[0].relative_to(root)} extends {parents[0]}, which can't be used."
            )
        chain.insert(0, parent)
    return hashlib.sha256(b"".join(path.read_bytes() for path in chain)).hexdigest()


def _parents(root: Path, path: Path) -> list[str]:
    try:
        parsed = jinja2.Environment(autoescape=False).parse(path.read_text())
    except jinja2.TemplateError as error:
        raise ConfigurationError(f"The prompt {path.relative_to(root)} can't be read: {error}.") from error
    return [name for name in jinja2.meta.find_referenced_templates(parsed) if name is not None]


def render_prompt(root: Path, instance: TaskInstance, limits: Mapping[str, Any]) -> str:
    """The text an agent gets for `instance`.

    Args:
        root: Checkout with the ``prompts/`` folder.
        instance: Only its public facts and answer schema are used.
        limits: ``agent_timeout_s``, ``cell_timeout_s``, ``max_turns`` (or None).

    Raises:
        ConfigurationError: When the template is missing, or names something that does not exist.
    """
    path = prompt_path(root, instance.task)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / "prompts"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown for a model, not HTML
    )
    try:
        return environment.get_template(path.relative_to(root / "prompts").as_posix()).render(
            facts=dict(instance.public.facts),
            files=sorted(instance.public.files),
            setup_code=instance.public.setup_code,
            answer_example=_example(instance.answer_schema.example),
            limits=dict(limits),
        )
    except jinja2.TemplateError as error:
        raise ConfigurationError(f"The prompt {path.relative_to(root)} can't be rendered: {error}.") from error


def _example(example: Mapping[str, Any]) -> str:
    """Indented JSON with lists of numbers on one line: a probe has as many numbers as the model is wide."""
    indented = json.dumps(dict(example), indent=2)
    return re.sub(r"\[\s+([-+\d.eE,\s]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", indented)
