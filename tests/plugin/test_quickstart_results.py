"""The commands of the quickstart's section "Compare runs", as written there, in a small checkout."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def commands():
    section = (REPOSITORY / "docs" / "quickstart.md").read_text().split("\n## Compare runs\n")[1].split("\n## ")[0]
    return [line.split("  #")[0].split(" #")[0].strip() for line in section.splitlines() if line.startswith("    ")]


@pytest.mark.core
def test_every_command_works_as_written(suite, monkeypatch):
    suite.add_task("second")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--provider null --record-only -p no:cacheprovider")

    def shell(command):
        done = subprocess.run(
            shlex.split(command), cwd=suite.folder, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def new_run(command):
        before = set(suite.folder.glob("runs/*.jsonl"))
        shell(command)
        (path,) = set(suite.folder.glob("runs/*.jsonl")) - before
        return path

    first, second = (new_run("pytest benchmarks --instance-seed 7").stem for _ in range(2))
    names = {"a": first, "b": second}
    shards = []
    for command in commands():
        if "--shard" in command:
            shards = [new_run(re.sub("--shard [0-9]/2", f"--shard {part}/2", command)) for part in (1, 2)]
        elif " merge " in command:
            merged = command.replace("a.jsonl", f"runs/{shards[0].name}").replace("b.jsonl", f"runs/{shards[1].name}")
            assert "2 attempts of 2 planned" in shell(merged)
        else:
            shell(re.sub(r"(?<![\w-])([ab])(?=\.jsonl| |$)", lambda found: names[found[1]], command))
    assert len(commands()) == 9
    assert (suite.folder / "report" / "index.html").is_file()
