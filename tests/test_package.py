"""The wheel: what is in it, and that it is the suite where there is no checkout."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.providers.builtin.cheating.provider import REPORT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide" / "own-suite.md"
#: Package indexes take 100 MB a file; nearly all of it is frozen models, and each new family adds some.
LARGEST_BYTES = 95_000_000
#: Date, umask and folder of two builds that must not show in what they make.
BUILDS = (("one", "1700000000", 0o022), ("another", "1800000000", 0o077))


def clean_copy(folder: Path) -> Path:
    """What git knows of the checkout, or would add: a clone with the changes that are being tested."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> list[Path]:
    """Two, built in different folders at different times by users with different habits."""
    made = []
    for name, epoch, mask in BUILDS:
        folder = tmp_path_factory.mktemp(name)
        before = os.umask(mask)
        try:
            source = clean_copy(folder / "checkout")
            for path in source.rglob("*"):
                os.utime(path, (int(epoch), int(epoch)))
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
            done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        finally:
            os.umask(before)
        assert done.returncode == 0, done.stdout + done.stderr
        made += (folder / "dist").glob("*.whl")
        shutil.rmtree(source)
    return made


def test_a_wheel_is_the_same_whoever_builds_it_and_not_too_large(wheels):
    assert wheels[0].name == wheels[1].name
    assert len({hashlib.sha256(wheel.read_bytes()).digest() for wheel in wheels}) == 1
    assert wheels[0].stat().st_size < LARGEST_BYTES


def test_a_wheel_has_the_suite_and_its_licence_and_nothing_of_the_machine(wheels):
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = set(wheel.namelist())
        metadata = Parser().parsestr(wheel.read(next(name for name in names if name.endswith("/METADATA"))).decode())
        texts = b"".join(wheel.read(name) for name in names if not name.endswith((".safetensors", ".npz")))
    shipped = {name.removeprefix("scribe_suite/suite/") for name in names if name.startswith("scribe_suite/suite/")}
    command = ["git", "ls-files", "-co", "--exclude-standard", "benchmarks", "fixtures", "ground_truth", "prompts"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert shipped == {*listed.stdout.split(), "pytest.ini"}
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"scribe_suite"}
    assert metadata["License-Expression"].startswith("Apache-2.0 AND ")
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert str(ROOT).encode() not in texts
    assert str(wheels[0].parent).encode() not in texts


@dataclass
class Environment:
    """A Python environment with the wheel installed, and a folder outside of any checkout to work in."""

    folder: Path
    work: Path

    def run(self, *command: str, code: int = 0, minutes: float = 10) -> str:
        """Run a command there; gives what it prints.

        Args:
            command: Program, found in the environment first, and arguments.
            code: The exit code it must have.
            minutes: After so many it is given up.
        """
        left_out = ("PYTHONPATH", "VIRTUAL_ENV", "SCRIBE_SUITE_ROOT", "PYTEST_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        # no index and no further packages: everything that is needed is there
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=self.work,
            env={**environment, **offline, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60 * minutes,
        )
        assert done.returncode == code, (command, done.stdout[-4000:], done.stderr[-2000:])
        return done.stdout


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def environment(wheels, tmp_path_factory) -> Iterator[Environment]:
    """As `pip install` leaves it in an empty environment, with the packages that are here already, linked."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/*/site-packages"))
    shutil.copytree(Path(pytest.__file__).parents[1], packages, copy_function=link_or_copy, dirs_exist_ok=True)
    for file in distribution("scribe-suite").files or ():
        (packages / file).unlink(missing_ok=True)
    shutil.rmtree(packages / "scribe_suite", ignore_errors=True)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheels[0])]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ""})
    work = tmp_path_factory.mktemp("elsewhere")
    for name in ("pytest", "pip"):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {python} -P -m {name} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    yield Environment(folder, work)
    shutil.rmtree(folder)


def test_the_benchmark_runs_without_a_checkout_and_hides_what_is_installed(environment):
    options = ["-k", "mlp_only", "--provider", "reference,cheat", "--record-only", "--instance-seed", "5"]
    environment.run("scribe-suite", "run", "circuits", *options)
    (ledger,) = environment.work.glob("runs/*.jsonl")
    by_provider = {record.provider: record for record in read_ledger(ledger).attempts}
    assert by_provider["reference"].outcome == "solved"
    assert by_provider["reference"].nodeid.startswith("benchmarks/circuits/test_circuits.py::")
    cheat = by_provider["cheat"]
    report = json.loads((environment.work / "runs" / cheat.folder / "outputs" / REPORT).read_text())
    assert [row["name"] for row in report if row["got"] or not row["tried"]] == []
    assert cheat.skill <= 0
    assert "mlp_only" in environment.run("scribe-suite", "show", str(ledger))
    environment.run("scribe-suite", "report", str(ledger), "-o", "report")
    assert (environment.work / "report" / "index.html").is_file()


def test_package_and_checkout_have_the_same_lock(environment):
    code = (
        "import json; from scribe_suite.ledger.lock import lock; from scribe_suite.paths import suite_root;"
        "from scribe_suite.tasks.registry import default_registry as tasks;"
        "made = lock(suite_root(), tasks().facts.values()); print(json.dumps([made['suite_sha256'], made['tasks']]))"
    )
    installed = environment.run("python", "-P", "-c", code)
    command = [sys.executable, "-c", code]
    here = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(installed) == json.loads(here.stdout)


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """The code blocks of a page in order: language, the file that the text before it names, if any, and content."""
    before = 0
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        names = re.findall(r"`([\w./]+\.(?:py|toml))`", page[before : found.start()].rpartition("\n\n")[0][-200:])
        yield found[1], names[-1] if names else "", found[2]
        before = found.end()


def test_the_page_about_a_suite_of_ones_own_can_be_followed_word_by_word(environment):
    (_, _, start), *rest = blocks(PAGE.read_text())
    folder = environment.work / "my_suite"
    folder.mkdir()
    assert start.splitlines()[:2] == ["mkdir my_suite", "cd my_suite"]  # and an environment with the wheel
    inside = Environment(environment.folder, folder)
    ran = 0
    for language, name, text in rest:
        if language == "sh":
            inside.run("bash", "-e", "-c", text)
            ran += 1
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    assert ran == 4
    skills = {}
    for ledger in folder.glob("runs/*.jsonl"):
        for record in read_ledger(ledger).attempts:
            skills.setdefault((record.task, record.provider), record.skill)
    assert skills == {
        ("toys/example", "reference"): 1.0,
        ("toys/example", "everything"): 0.0,
        ("toys/second", "reference"): 1.0,
        ("toys/second", "oracle"): 1.0,
        ("toys/second", "everything"): 0.0,
        ("circuits/my_task", "reference"): 1.0,
        ("circuits/my_task", "oracle"): 1.0,
        ("neurons/position", "oracle"): 1.0,
    }
