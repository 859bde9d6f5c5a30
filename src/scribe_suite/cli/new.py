"""``scribe-suite new``: the files of a task or a family, with a small example that works as it is."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.errors import ConfigurationError

_TEMPLATES = Path(__file__).parent / "new_files"
#: Name of the first task of a new family.
FIRST_TASK = "example"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def register(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = add_command(
        commands,
        "new",
        lambda _: _show_help(parser),
        summary="write the files of a new task or family",
        description="Write the files of a new task, with a small example that passes at once, into the suite that the "
        "current folder is in; if it is in none, the current folder becomes one. No file is overwritten.",
        examples=("scribe-suite new family toys", "scribe-suite new task circuits/my_task"),
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    task = add_command(
        actions,
        "task",
        lambda options: _write(*_split(options.task), new_family=False),
        summary="write task, prompt and reference solution",
        description="Write a task, its prompt and its reference solution, and the benchmark of its family if there is "
        "none yet.",
    )
    task.add_argument("task", metavar="FAMILY/NAME")
    family = add_command(
        actions,
        "family",
        lambda options: _write(options.family, FIRST_TASK, new_family=True),
        summary="write a benchmark, and a first task for it",
        description=f"Write the benchmark of a new family and its first task, {FIRST_TASK!r}: four files.",
    )
    family.add_argument("family", metavar="FAMILY")


def _show_help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


def _split(task: str) -> tuple[str, str]:
    family, slash, name = task.partition("/")
    if not slash:
        raise ConfigurationError(f"{task!r} is not a task id: write FAMILY/NAME, such as circuits/my_task.")
    return family, name


def _write(family: str, name: str, *, new_family: bool) -> int:
    from scribe_suite.paths import enclosing_root

    here = Path.cwd()
    root = enclosing_root(here) or here
    files = new_files(root, family, name, new_family=new_family)
    for place, text in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(here) if path.is_relative_to(here) else path}")
    print(f"Try it: pytest benchmarks/{family} -k {name} --provider reference,oracle,random")
    return 0


def new_files(root: Path, family: str, name: str, *, new_family: bool) -> Mapping[str, str]:
    """The files to write.

    Args:
        root: The suite that gets them, which may still be empty.
        family: The task's family.
        name: The task's name.
        new_family: Whether the family must not exist yet.

    Returns:
        Path within the suite -> text.

    Raises:
        ConfigurationError: When a name is not valid, or what is asked for exists already.
    """
    from scribe_suite.paths import lookup_roots
    from scribe_suite.tasks.facts_cache import NOT_FAMILIES

    for word in (family, name):
        if not _NAME.fullmatch(word) or keyword.iskeyword(word) or word in NOT_FAMILIES:
            raise ConfigurationError(
                f"{word!r} can't be a name here: use small letters, digits and single underscores."
            )
    for known in lookup_roots(root):
        if new_family and (known / "ground_truth" / family).exists():
            raise ConfigurationError(
                f"There is a family {family!r} already: add to it with `scribe-suite new task {family}/NAME`, or "
                "choose another name."
            )
        if (known / "ground_truth" / family / f"{name}.py").exists():
            raise ConfigurationError(f"There is a task {family}/{name} already: choose another name.")
    class_name = "".join(part.title() for part in name.split("_"))
    places = {
        f"ground_truth/{family}/{name}.py": "task.py",
        f"prompts/{family}/{name}.md": "prompt.md",
        f"ground_truth/solutions/{family}/{name}.py": "solution.py",
    }
    benchmarks = sorted((root / "benchmarks" / family).glob("test_*.py"))
    _refuse_other_metrics(family, benchmarks)
    if not benchmarks:
        places[f"benchmarks/{family}/test_{family}.py"] = "benchmark.py"
    there = [place for place in places if (root / place).exists()]
    if there:
        raise ConfigurationError(f"{there[0]} exists already and is not overwritten: choose another name.")
    return {
        place: Template((_TEMPLATES / f"{template}.template").read_text()).substitute(
            family=family, name=name, class_name=class_name
        )
        for place, template in places.items()
    }


def _refuse_other_metrics(family: str, benchmarks: list[Path]) -> None:
    """Refuse a family whose benchmark names metrics that the example does not have."""
    for path in benchmarks:
        marked = re.search(r"mark\.metrics\(([^)]*)\)", path.read_text())
        if marked is not None and "f1" not in marked[1]:
            raise ConfigurationError(
                f"The benchmark of {family} asks for the metrics {marked[1]}, and the example has others: start from a "
                f"task in ground_truth/{family}/ instead."
            )
