"""The families as tasks of Inspect: the same instances, prompts and scores as a run of the suite at the same seed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.inspect
pytest.importorskip("inspect_ai", reason="Inspect is not installed: `make test-inspect` installs and uses it")

from scribe_suite.ledger.burnt_seeds import DATA_VARIABLE, burn  # noqa: E402
from scribe_suite.ledger.ledger import read_ledger  # noqa: E402
from scribe_suite.paths import suite_root  # noqa: E402
from scribe_suite.tasks.registry import default_registry  # noqa: E402
from scribe_suite.tasks.solutions import parse_percent, solution_text  # noqa: E402
from tests.inspect_tasks.conftest import Inspect, overlay  # noqa: E402
from tests.plugin.conftest import Suite  # noqa: E402

START = ("start_new_session", {"experiment_name": "scripted"})
#: Two of the three that the key has: neither nothing nor everything.
PARTLY = """
answer = dict(components=sorted(n for n, v in values.items() if v > 10)[:2], confidence=0.5, summary="s")
"""
SUBMIT = [START, ("execute_code", {"code": PARTLY}), ("submit_answer", {"variable": "answer"})]
#: A solution for the provider that submits the same.
SOLUTION = f"# %%\n{PARTLY.strip()}\n"


def scores(log):
    return {sample["id"]: sample["score"] for sample in log["samples"]}


def test_scores_and_prompts_are_those_of_a_run_with_the_same_seed(suite: Suite, inspect: Inspect):
    suite.write("ground_truth/solutions/circuits/toy.py", SOLUTION)
    run = suite.run("--provider", "reference", "--instance-seed", "5", "--trials", "2", "--record-only")
    log = inspect.eval(SUBMIT, seed=5, trials=2)
    assert (log["status"], log["task"], log["seed"]) == ("success", "scribe_suite/circuits", 5), log
    records = {f"{record.task} t{record.trial}": record for record in run.ledger.attempts}
    assert set(records) == set(scores(log)) == {"circuits/toy t0", "circuits/toy t1"}
    for sample in log["samples"]:
        record, score = records[sample["id"]], sample["score"]
        assert 0 < record.skill < 1
        assert score["value"] == {"skill": record.skill, "solved": float(record.outcome == "solved"), **record.metrics}
        assert score["metadata"]["metrics"] == record.metrics
        assert (score["metadata"]["outcome"], score["metadata"]["chance"]) == (record.outcome, record.chance)
        assert sample["metadata"]["instance_seed"] == record.instance_seed
        ours = suite.folder / "runs" / record.folder / "outputs" / "prompt.md"
        assert sample["prompt"] == ours.read_text()
        # the notebook's tools, and no other
        assert {"start_new_session", "submit_answer"} <= set(sample["tools"])
        assert "submit" not in sample["tools"]
        kept = Path(score["metadata"]["folder"])
        assert kept.is_relative_to(suite.folder / "runs")
        assert list(kept.glob("notebooks/*.ipynb"))
        assert (kept / "outputs" / "answer.json").is_file()
    assert log["means"]["skill"] == sum(record.skill for record in records.values()) / 2


def test_attempts_without_a_valid_answer_count_and_failures_of_others_do_not(inspect: Inspect):
    bad = [START, ("execute_code", {"code": "answer = 1"}), ("submit_answer", {})]
    for calls, outcome in (([START], "no_answer"), (bad, "invalid_answer")):
        log = inspect.eval(calls, trials=1)
        (score,) = scores(log).values()
        assert (score["value"]["skill"], score["value"]["solved"]) == (0.0, 0.0)
        assert score["metadata"]["outcome"] == outcome
        assert log["means"]["skill"] == 0.0
    log = inspect.eval([START], breaks=True)
    assert log["status"] == "error"
    assert "the service is gone" in log["samples"][0]["error"]
    # what was accepted before counts
    log = inspect.eval(SUBMIT, breaks=True)
    (score,) = scores(log).values()
    assert (log["status"], score["metadata"]["outcome"]) == ("success", "unsolved")
    assert score["value"]["skill"] > 0


def test_limits_end_an_attempt(inspect: Inspect):
    sleeps = [START, ("execute_code", {"code": "import time; time.sleep(60)"})]
    log = inspect.eval(sleeps, agent_timeout=20)
    (score,) = scores(log).values()
    assert (log["status"], score["metadata"]["outcome"]) == ("success", "agent_timeout"), log
    log = inspect.eval([START, *SUBMIT[1:]], max_turns=2)
    (score,) = scores(log).values()
    assert score["metadata"]["outcome"] == "limit_reached"
    log = inspect.eval([START, *SUBMIT[1:]], options={"message_limit": 3})
    (score,) = scores(log).values()
    assert score["metadata"]["outcome"] == "limit_reached"


def test_a_log_can_be_scored_again(inspect: Inspect):
    log = inspect.eval(SUBMIT, seed=5)
    (before,) = scores(log).values()
    code = f"""
from inspect_ai.log import read_eval_log
from inspect_ai import score
from scribe_suite.inspect_tasks.scorer import scribe_score
log = score(read_eval_log({log["file"]!r}), scribe_score(["iou", "f1"]), action="overwrite", display="none")
print("AGAIN", log.samples[0].scores["scribe_score"].value)
"""
    done = inspect.run(sys.executable, "-c", code)
    again = {name: before["value"][name] for name in ("skill", "solved", "iou", "f1")}
    assert f"AGAIN {again}" in done.stdout, done.stdout + done.stderr[-3000:]


def test_an_agent_of_another_package_gets_the_tools_and_not_the_notebook_s_address(suite: Suite, inspect: Inspect):
    suite.write(
        "agents/other_agents.py",
        '''
        """An agent as those of inspect_swe: it takes tools of the host's as ``bridged_tools``."""

        from inspect_ai.agent import agent, react

        @agent
        def other(bridged_tools):
            (server,) = bridged_tools
            assert server.name == "scribe"
            return react(prompt="You are another agent.", tools=list(server.tools), submit=False)
        ''',
    )
    log = inspect.eval(SUBMIT, agent="other_agents/other")
    (score,) = scores(log).values()
    assert (log["status"], score["metadata"]["outcome"]) == ("success", "unsolved"), log
    assert score["value"]["skill"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-T", "level=9"], "no selected task has level 9"),
        (["-T", "tasks=nothing"], "The family circuits has no task 'nothing': choose from toy."),
        (["-T", "agent=nobody/none"], "There is no agent 'nobody/none'"),
        (["-T", "trials=0"], "trials must be at least 1"),
        (["-T", "seed=41"], "The seed 41 is burnt"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_runs(inspect: Inspect, arguments, message, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(inspect.folder / "data"))
    burn(41, "circuits/toy", 1, "export-task to out", inspect.folder / "runs")
    program = "from inspect_ai._cli.main import main; main()"
    done = inspect.run(
        sys.executable, "-c", program, "eval", "scribe_suite/circuits", "--model", "mockllm/model", "--display", "none",
        *arguments,
    )  # fmt: skip
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())


def test_a_task_of_the_suite_has_the_metrics_of_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task = default_registry()["circuits/mlp_only"]
    cells = parse_percent(solution_text(suite_root(), task))
    tools = {"markdown": ("add_markdown", "content"), "code": ("execute_code", "code")}
    calls = [START, *((tools[cell.kind][0], {tools[cell.kind][1]: cell.source}) for cell in cells)]
    monkeypatch.setenv("SCRIBE_SUITE_ROOT", str(suite_root()))
    there = Inspect(tmp_path, overlay())
    log = there.eval([*calls, ("submit_answer", {})], tasks="mlp_only", seed=7, results_dir=str(tmp_path / "kept"))
    done = there.run(
        sys.executable, "-m", "pytest", str(suite_root() / "benchmarks/circuits"), "-k", "mlp_only", "-p",
        "no:cacheprovider", "--provider", "reference", "--instance-seed", "7", "--results-dir", str(tmp_path / "runs"),
    )  # fmt: skip
    (path,) = (tmp_path / "runs").glob("*.jsonl")
    (record,) = read_ledger(path).attempts
    (score,) = scores(log).values()
    assert record.outcome == "solved", done.stdout[-2000:]
    assert score["value"] == {"skill": record.skill, "solved": 1.0, **record.metrics}
    assert os.environ["SCRIBE_SUITE_ROOT"]
