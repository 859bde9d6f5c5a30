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
TASK = """
from scribe_suite.tasks import PlantedTask


class Small(PlantedTask):
    family, name, summary, metrics = "toys", "small", "a toy", ("accuracy",)

    def plant(self, seed, progress): ...
    def instance(self, seed): ...
    def score(self, instance, answer): ...
    def oracle_answer(self, instance): ...
    def random_answer(self, instance, rng): ...
"""


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory):
    """A cache in which the facts of this checkout's tasks are kept."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(folder))
        TaskRegistry.discover(suite_root())
    return folder


def imported(what: str, cache, root=None) -> tuple[set[str], str]:
    """The top-level modules that a process in a checkout has imported at its end, and what it printed."""
    root = root or suite_root()
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(what=what)],
        cwd=root,
        env=os.environ | {"SCRIBE_SUITE_CACHE": str(cache), "SCRIBE_SUITE_ROOT": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}, done.stdout + done.stderr


def command_line(*arguments: str) -> str:
    return f"from scribe_suite.cli import main; main({list(arguments)!r})"


@pytest.mark.slow
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


def test_task_files_are_imported_once_and_then_their_facts_are_kept(tmp_path):
    root = tmp_path / "checkout"
    (root / "prompts").mkdir(parents=True)
    (root / "ground_truth" / "toys").mkdir(parents=True)
    (root / "ground_truth" / "toys" / "small.py").write_text(TASK)
    modules, first = imported(command_line("tasks"), tmp_path / "cache", root)
    assert "ground_truth" in modules
    modules, second = imported(command_line("tasks"), tmp_path / "cache", root)
    assert "ground_truth" not in modules
    tables = [text[: text.rindex("\n[")] for text in (first, second)]
    assert "toys/small" in tables[0]
    assert tables[0] == tables[1]
