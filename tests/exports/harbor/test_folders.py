"""Task folders: what is where, and an attempt played by hand."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from scribe_suite.cli import main
from scribe_suite.errors import ConfigurationError
from scribe_suite.exports.harbor.folders import export_task, freeze
from scribe_suite.exports.harbor.inside.frozen import FrozenInstance, files_of, read_frozen
from scribe_suite.exports.harbor.texts import HOME, STATE
from scribe_suite.ledger.burnt_seeds import DATA_VARIABLE
from scribe_suite.seeds import attempt_seed
from scribe_suite.tasks.registry import default_registry

SEED = 41
WEIGHTS, LABORATORY = "circuits/mlp_only", "circuits/mlp_only_2"


def exported(task, output):
    output.mkdir()
    (folder,) = export_task(task, SEED, 1, output, organisation="tests", agent_timeout_s=600.0)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return exported(WEIGHTS, tmp_path_factory.mktemp("harbor") / "out")


@pytest.fixture(scope="module")
def laboratory_folder(tmp_path_factory):
    return exported(LABORATORY, tmp_path_factory.mktemp("harbor") / "out")


def texts_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_configuration_has_a_server_and_a_verifier_of_its_own(folder):
    config = tomllib.loads((folder / "task.toml").read_text())
    assert config["schema_version"] == "1.4"
    assert config["environment"]["mcp_servers"] == [
        {"name": "notebook", "transport": "stdio", "command": f"{HOME}/serve", "args": []}
    ]
    assert config["verifier"]["environment_mode"] == "separate"
    assert config["artifacts"] == [STATE]
    assert config["agent"]["user"] != "root"


def test_the_key_is_in_tests_alone(folder):
    seed = attempt_seed(SEED, WEIGHTS, 0)
    instance = default_registry()[WEIGHTS].instance(seed)
    key = folder / "tests" / "key.json"
    assert json.loads(key.read_text())["seed"] == seed
    told = {path for path, content in texts_of(folder).items() if str(seed).encode() in content}
    assert told == {key}
    named = {path for path, content in texts_of(folder).items() if instance.base_model.encode() in content}
    assert {path.relative_to(folder).parts[0] for path in named} <= {"tests"}
    agent_s = {path.relative_to(folder / "environment").as_posix() for path in texts_of(folder / "environment")}
    assert not [name for name in agent_s if "ground_truth" in name or "planting" in name or "scoring" in name]


def test_the_agent_s_container_has_exactly_what_a_run_hands_over(folder):
    instance = default_registry()[WEIGHTS].instance(attempt_seed(SEED, WEIGHTS, 0))
    place = folder / "environment" / "instance"
    assert files_of(place / "files") == dict(instance.handed.files)
    assert read_frozen(place).setup == instance.handed.setup_code
    assert not (place / "model").exists()


def test_the_laboratory_s_model_is_no_file_of_the_kernel_s(laboratory_folder):
    place = laboratory_folder / "environment" / "instance"
    assert set(files_of(place / "model")) >= {"config.json", "model.safetensors"}
    assert not set(files_of(place / "files")) & set(files_of(place / "model"))
    assert read_frozen(place).laboratory.terms.budget > 0


@pytest.mark.parametrize(
    "name",
    [
        "circuits/mechanism",
        "neurons/unigram",
        "variables/subspace",
    ],
)
def test_answers_are_validated_in_the_container_as_in_a_run(name):
    task = default_registry()[name]
    instance = task.instance(attempt_seed(SEED, name, 0))
    frozen = FrozenInstance.model_validate_json(freeze("one", task, instance, 60.0).model_dump_json())
    answer = json.dumps(task.oracle_answer(instance))
    assert frozen.schema_of_answers.parse(answer) == instance.answer_schema.parse(answer)


def test_real_models_can_t_be_exported(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigurationError, match="real language model"):
        list(export_task("circuits/ioi_real", 1, 1, tmp_path / "out", organisation="tests", agent_timeout_s=60.0))


@pytest.mark.slow
def test_the_command_burns_the_seed_before_it_writes_and_runs_refuse_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    results = ["--results-dir", str(tmp_path / "runs")]
    arguments = ["export-task", WEIGHTS, "--seed", "41", *results, "-o"]
    assert main([*arguments, str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'mlp-only-001'}\n"
    assert "the seed 41 is burnt" in said.err
    assert main([*arguments, str(tmp_path / "out")]) == 2  # it is not empty
    root = Path(__file__).parents[3]
    refused = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", "-k", "mlp_only", "--instance-seed", "41", *results],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 4
    assert "The seed 41 is burnt" in refused.stderr


@pytest.mark.parametrize(
    "wrong", [["--instances", "0"], ["--agent-timeout", "0"], ["--seed", "-1"], ["--instances", "-3"]]
)
def test_wrong_values_are_one_sentence_and_burn_nothing(wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    assert main(["export-task", WEIGHTS, "-o", str(tmp_path / "out"), *wrong]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_harbor_s_own_models_read_it(folder):
    task = pytest.importorskip("harbor.models.task.task", reason="harbor is not installed: it needs Python 3.12")
    read = task.Task(folder)
    assert read.config.environment.mcp_servers[0].command == f"{HOME}/serve"


class Containers:
    """The two containers of an attempt as folders of this machine: the scripts' paths are replaced by theirs."""

    def __init__(self, folder, place):
        self.home, self.state, self.tests, self.out = (place / name for name in ("home", "state", "tests", "verifier"))
        self.solution = place / "solution"
        for part, target in (("environment", self.home), ("tests", self.tests), ("solution", self.solution)):
            shutil.copytree(folder / part, target)
        for script in (self.home / "serve", self.home / "start", self.tests / "test.sh", self.solution / "solve.sh"):
            text = script.read_text()
            for path, here in ((HOME, self.home), (STATE, self.state), ("/logs/verifier", self.out)):
                text = text.replace(path, str(here))
            script.write_text(text)

    def run(self, *command):
        """Run a command as a container would: without this checkout, with the Python of the tests."""
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.home)}
        return subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, timeout=900, check=False
        )

    def end(self):
        """Stop the notebook, as the end of its container does."""
        pid = json.loads((self.state / "status.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        for _ in range(300):
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.1)


@pytest.mark.slow
def test_an_attempt_by_hand_without_a_container(laboratory_folder, tmp_path):
    there = Containers(laboratory_folder, tmp_path)
    assert there.run("sh", str(there.tests / "test.sh")).returncode == 1  # nothing has happened yet
    assert not there.out.exists()
    solved = there.run("sh", str(there.solution / "solve.sh"))
    assert solved.returncode == 0, solved.stderr
    assert "valid and was recorded" in solved.stdout
    there.end()
    status = json.loads((there.state / "status.json").read_text())
    assert status["accepted"] == 1
    assert 0 < status["spent"] <= status["budget"]
    again = there.run("sh", str(there.solution / "solve.sh"))  # a second notebook would have a second budget
    assert again.returncode != 0
    graded = there.run("sh", str(there.tests / "test.sh"))
    assert graded.returncode == 0, graded.stderr
    rewards = json.loads((there.out / "reward.json").read_text())
    assert rewards["reward"] > 0.8
    assert rewards["solved"] == 1.0
