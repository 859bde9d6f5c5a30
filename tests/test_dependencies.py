"""What shipped code imports, and what kernels find imported, is among the dependencies of the package."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from scribe_suite.plugin.worker.kernels import PRELOAD

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"scribe_suite", "ground_truth", "fixtures"}
#: Parts of another dependency, which alone says which version goes with it.
PART_OF = {"mcp_types": "mcp", "pydantic_core": "pydantic"}


def normalised(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def imported(path):
    """The first names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def test_every_import_is_a_dependency():
    needed = {normalised(one) for one in PROJECT["dependencies"]}
    extras = {
        extra: {normalised(one) for one in requirements}
        for extra, requirements in PROJECT["optional-dependencies"].items()
    }
    distributions = packages_distributions()
    missing = set()
    for folder in ("src", "fixtures", "ground_truth", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            # what makes shipped data again needs more than what reads them
            known = set(needed)
            if path.name.startswith("build") or path.name == "text_build.py":
                known |= extras["test"]
            if "engines" in path.parts:
                known |= extras["sweep"]
            if "human" in path.parts:  # what JupyterLab's own process imports comes with it
                known |= extras["human"] | {"jupyter-server"}
            if "inspect_tasks" in path.parts or path.name == "notebook_agent.py":
                known |= extras["inspect"]
            for name in {*imported(path)} - sys.stdlib_module_names - OWN:
                of = {normalised(one) for one in [PART_OF.get(name, name), *distributions.get(name, [])]}
                if not of & known:
                    missing.add((name, str(path.relative_to(ROOT))))
    assert missing == set()


def test_the_plugin_bears_the_name_of_its_module():
    # under another one, pytest would refuse the conftest file of a checkout, which loads it by its module
    assert PROJECT["entry-points"]["pytest11"] == {"scribe_suite.plugin": "scribe_suite.plugin"}


def test_what_kernels_find_imported_is_installed():
    distributions = packages_distributions()
    needed = {normalised(one) for one in PROJECT["dependencies"]}
    names = {name.partition(".")[0] for name in (*PRELOAD, "matplotlib_inline")}
    assert [name for name in names if not {normalised(one) for one in distributions[name]} & needed] == []
