"""What starts at once imports no heavy library; seen in a process of its own, with the facts of tasks kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import TaskRegistry

HEAVY = {"torch", "transformer_lens", "transformers", "sklearn", "scipy", "matplotlib", "jupyter_client", "mcp"}
HEAVY |= {"nbconvert", "nbformat"}
RUN = """
import atexit, json, os, sys
atexit.register(lambda: os.write(2, ("\\n" + json.dumps(sorted(sys.modules))).encode()))
{what}
"""


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory):
    """A cache in which the facts of this checkout's tasks are kept."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(folder))
        TaskRegistry.discover(suite_root())
    return folder


def imported(what: str, cache) -> tuple[set[str], str]:
    """The top-level modules that a process has imported at its end, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(what=what)],
        cwd=suite_root(),
        env=os.environ | {"SCRIBE_SUITE_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}, done.stdout + done.stderr


def command_line(*arguments: str) -> str:
    return f"from scribe_suite.cli import main; main({list(arguments)!r})"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--help"], "list the tasks"),
        (["compare", "--help"], "examples:"),
        (["tasks"], "circuits/mlp_only"),
        (["providers"], "oracle"),
        (["models", "list"], "package:smollm2"),
        (["watch", "--once", "--results-dir", "/nowhere"], "no run"),
        (["plant", "circuits/mlp_onyl"], "did you mean 'circuits/mlp_only'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_only_tells_something_imports_nothing_heavy(arguments, printed, warm_cache):
    modules, text = imported(command_line(*arguments), warm_cache)
    assert printed in text
    assert modules & HEAVY == set()


def test_collecting_imports_nothing_heavy(warm_cache):
    what = "import pytest; pytest.main(['benchmarks', '--collect-only', '-q', '--model-source', 'all'])"
    modules, text = imported(what, warm_cache)
    assert "test_circuit[mlp_only-reference-t0]" in text
    assert modules & HEAVY == set()


def test_the_help_needs_no_library_at_all_that_reads_data(warm_cache):
    modules, _ = imported(command_line("--help"), warm_cache)
    assert modules & {"numpy", "pydantic", "rich"} == set()


def test_without_kept_facts_the_tasks_are_imported_and_kept(tmp_path):
    modules, first = imported(command_line("tasks"), tmp_path)
    assert "torch" in modules
    modules, second = imported(command_line("tasks"), tmp_path)
    assert modules & HEAVY == set()
    tables = [text[: text.rindex("\n[")] for text in (first, second)]
    assert tables[0] == tables[1]
