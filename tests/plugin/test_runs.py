"""Whole runs with real kernels, with and without xdist."""

import json
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.sandbox.probing import probe_isolation

XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])


@pytest.mark.slow
@XDIST
def test_a_run_scores_every_provider_on_the_same_instance(suite, workers):
    run = suite.run("--provider", "reference,oracle,random,null", "--json-report", "--junit-xml=junit.xml", *workers)
    assert run.outcomes == {
        "toy-reference-t0": "solved",
        "toy-oracle-t0": "solved",
        "toy-random-t0": "unsolved",
        "toy-null-t0": "no_answer",
    }
    assert run.ret == 1
    ledger = run.ledger
    assert len({record.instance_seed for record in ledger.attempts}) == 1
    assert set(ledger.header.planned) == {record.nodeid for record in ledger.attempts}
    assert ledger.end is not None
    assert ledger.end.exit_code == 1
    assert not ledger.end.missing
    by_provider = {record.provider: record for record in ledger.attempts}
    assert by_provider["reference"].metrics == {"iou": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert by_provider["reference"].skill == 1.0
    assert by_provider["random"].skill is not None
    assert by_provider["random"].skill < 0.8
    assert by_provider["null"].metrics == {}
    assert by_provider["null"].skill is None
    for text in ("Circuits Tasks", "IoU", "Recall", "scored 4/4, solved 2/4", "ledger: runs/"):
        assert text in run.output
    check_exports(run, suite.folder)


def check_exports(run, folder):
    report = run.json_report()
    metadata = {test["metadata"]["scribe_suite"]["provider"]: test for test in report["tests"]}
    assert metadata["reference"]["metadata"]["scribe_suite"]["metrics"]["iou"] == 1.0
    assert metadata["reference"]["outcome"] == "passed"
    assert metadata["random"]["outcome"] == "failed"
    assert report["scribe_suite"]["counted"] == 4
    assert report["exitcode"] == 1
    assert report["environment"]["packages"]["pytest"]
    cases = list(ElementTree.parse(folder / "junit.xml").iter("testcase"))
    assert len(cases) == 4
    assert sum(case.find("failure") is not None for case in cases) == 2
    properties = [case.find("properties/property[@name='scribe_suite']") for case in cases]
    records = [json.loads(found.attrib["value"]) for found in properties if found is not None]
    assert len(records) == 4
    assert all(record["instance_seed"] is None for record in records), "seeds belong to the ledger only"


@pytest.mark.slow
def test_an_attempt_leaves_its_folder(suite):
    run = suite.run("--provider", "reference")
    (record,) = run.ledger.attempts
    folder = suite.folder / "runs" / record.folder
    results = json.loads((folder / "results" / "circuit_evaluation_results.json").read_text())
    assert results["toy"]["metrics"]["iou"] == 1.0
    assert "Which of the 8 numbers" in (folder / "outputs" / "prompt.md").read_text()
    assert json.loads((folder / "outputs" / "answer.json").read_text())["confidence"] == 1.0
    notebooks = list((folder / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 1
    assert "above ten" in notebooks[0].read_text()
    assert str(notebooks[0].relative_to(folder)) in record.artifacts
    assert record.cells == 3  # the last one shows the answer
    assert record.tool_calls >= 5
    assert (record.actions["submit_answer"], sum(record.actions.values())) == (1, record.tool_calls)
    assert (record.confidence, record.confidence_of) == (1.0, "solved")
    # only a person can stop the clock
    assert {name for name, value in record.times.model_dump().items() if value is None} <= {"paused_s"}


@pytest.mark.slow
def test_the_same_seed_draws_the_same_instance_and_trials_differ(suite):
    arguments = ("--provider", "null", "--trials", "2", "--record-only")
    seeds = []
    for name, seed in (("first", "7"), ("second", "7"), ("third", "fresh")):
        suite.run(*arguments, "--instance-seed", seed, "--results-dir", name)
        (path,) = (suite.folder / name).glob("*.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        seeds.append([line["instance_seed"] for line in lines if line["line"] == "attempt"])
    assert seeds[0] == seeds[1]
    assert seeds[0] != seeds[2]
    assert len(set(seeds[0])) == 2


@pytest.mark.slow
def test_record_only_passes_whatever_the_agent_did_but_not_infrastructure(suite):
    run = suite.run("--provider", "null,random", "--record-only")
    assert run.ret == 0
    assert set(run.outcomes.values()) == {"no_answer", "unsolved"}


@pytest.mark.slow
def test_record_only_still_fails_on_infrastructure(suite):
    assert suite.run("--provider", "nologin", "--record-only").ret == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marker", "option", "ret"), [("0.1", (), 0), ("0.9", (), 1), ("0.1", ("--pass-mark", "0.9"), 1)]
)
def test_the_pass_mark_is_option_then_marker_then_task(suite, monkeypatch, marker, option, ret):
    monkeypatch.setenv(
        "TOY_CODE",
        "found = [name for name, value in values.items() if value > 10][:2]\n"
        "answer = {'components': found, 'confidence': 0.5, 'summary': 'two of three'}",
    )
    path = suite.folder / "benchmarks/circuits/test_circuits.py"
    path.write_text(path.read_text().replace("def test", f"@pytest.mark.pass_mark({marker})\ndef test"))
    run = suite.run("--provider", "says", *option)
    assert run.ret == ret
    assert 0.1 < run.ledger.attempts[0].skill < 0.9
    assert run.ledger.attempts[0].pass_mark == float((option or (0, marker))[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("answer = {'components': ['m99'], 'confidence': 0.5, 'summary': ''}", "the model has no component 'm99'"),
        ("answer = {'components': ['m1'], 'confidence': float('nan'), 'summary': ''}", "confidence"),
        ("answer = {'components': 'm1', 'confidence': 0.5, 'summary': ''}", "components"),
        ("answer = ['m1']", "not an object"),
    ],
)
def test_a_bad_answer_is_invalid_with_its_reason_and_never_scored(suite, monkeypatch, code, reason):
    monkeypatch.setenv("TOY_CODE", code)
    run = suite.run("--provider", "says")
    (record,) = run.ledger.attempts
    assert record.outcome == "invalid_answer"
    assert reason in record.reason
    assert record.skill is None
    assert record.metrics == {}
    assert run.ret == 1


@pytest.mark.slow
def test_an_answer_of_50_mb_is_refused(suite, monkeypatch):
    monkeypatch.setenv("TOY_CODE", "answer = {'components': ['m1'], 'confidence': 0.5, 'summary': 'x' * 50_000_000}")
    (record,) = suite.run("--provider", "says").ledger.attempts
    assert record.outcome == "invalid_answer"
    assert "bytes of JSON" in record.reason
    assert record.skill is None


@pytest.mark.slow
def test_a_limit_and_a_timeout_count_and_keep_what_is_known(suite, monkeypatch):
    monkeypatch.setenv("TOY_CODE", "import time\ntime.sleep(60)")
    run = suite.run("--provider", "limited,says", "--agent-timeout", "8")
    assert run.outcomes == {"toy-limited-t0": "limit_reached", "toy-says-t0": "agent_timeout"}
    limited = next(record for record in run.ledger.attempts if record.provider == "limited")
    assert (limited.turns, limited.tokens, limited.cost_usd) == (40, {"input": 5}, 0.25)
    assert run.ret == 1


@pytest.mark.slow
def test_an_answer_after_the_time_limit_is_not_taken(suite):
    run = suite.run("--provider", "late", "--agent-timeout", "6")
    (record,) = run.ledger.attempts
    assert record.outcome == "agent_timeout"
    assert record.skill is None
    assert record.submissions == 1
    assert run.ret == 1


@pytest.mark.slow
def test_a_provider_that_never_stops_is_stopped(suite):
    suite.write("benchmarks/conftest.py", "import scribe_suite.plugin.worker.bound_provider as b\nb.OVERTIME_S = 1.0\n")
    run = suite.run("--provider", "stubborn,null", "--agent-timeout", "8")
    assert run.outcomes == {"toy-stubborn-t0": "agent_timeout", "toy-null-t0": "no_answer"}
    assert "did not stop by itself" in run.ledger.attempts[0].reason


@pytest.mark.skipif(probe_isolation("auto").name != "namespaces", reason="kernels can't be isolated here")
@pytest.mark.slow
def test_results_below_a_folder_that_kernels_see_stay_hidden(suite, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="scribe-test-", dir=sys.prefix) as results:
        seen = f"/env/{Path(results).name}"
        code = "import os\nassert os.path.isdir('/env/bin')\n"
        code += f"assert not os.path.exists({seen!r}) or not os.listdir({seen!r})"
        monkeypatch.setenv("TOY_CODE", f"{code}\nanswer = {{'components': ['m0'], 'confidence': 0.5, 'summary': ''}}")
        run = suite.run("--provider", "says", "--results-dir", results, "--record-only")
        (path,) = Path(results).glob("*.jsonl")
        (record,) = read_ledger(path).attempts
    assert run.ret == 0
    assert record.metrics, record.reason


@pytest.mark.slow
def test_isolation_is_announced_and_recorded(suite):
    run = suite.run("--provider", "null", "--isolation", "none")
    assert run.ledger.header.isolation == "none"
    assert run.ledger.attempts[0].isolation == "none"
    assert "kernels are NOT isolated (isolation none was asked for)" in run.output
    assert "agents' programs (CLIs and command:) can read the answer keys, ledgers" in run.output


def test_ordinary_tests_are_left_alone(suite):
    suite.write("test_plain.py", "def test_plain():\n    assert True\n")
    run = suite.run(path="test_plain.py")
    assert run.ret == 0
    assert not (suite.folder / "runs").exists()


@pytest.mark.slow
def test_tasks_come_from_the_checkout_whose_tests_run_not_from_the_current_folder(suite, monkeypatch, tmp_path):
    monkeypatch.delenv("SCRIBE_SUITE_ROOT")
    monkeypatch.chdir(tmp_path)
    run = suite.run("--provider", "oracle", path=str(suite.folder / "benchmarks"))
    assert run.outcomes == {"toy-oracle-t0": "solved"}


@pytest.mark.slow
def test_the_harness_computes_with_one_thread_unless_the_user_wants_more(suite, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    suite.write(
        "test_threads.py", "import os\n\ndef test_threads():\n    assert os.environ['OMP_NUM_THREADS'] == '1'\n"
    )
    assert suite.run(path="test_threads.py").ret == 0
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert suite.run(path="test_threads.py").ret == 1


@pytest.mark.slow
def test_what_a_scorer_has_to_say_reaches_message_ledger_and_results(suite):
    note = "The submitted function raised ValueError at line 2: no."
    suite.add_task("noted")
    path = suite.folder / "ground_truth" / "circuits" / "noted.py"
    scorer = "return score_components("
    text = path.read_text().replace(scorer, f"return __import__('dataclasses').replace({scorer[len('return ') :]}")
    path.write_text(text.replace("reference_f1=1.0)", f"reference_f1=1.0), notes=({note!r},))"))
    run = suite.run("--provider", "oracle,random", "-k", "noted")
    records = {record.provider: record for record in run.ledger.attempts}
    assert records["oracle"].reason == note
    assert records["random"].reason.startswith("skill ")
    assert records["random"].reason.endswith(f"). {note}")
    assert note in run.output
    results = suite.folder / "runs" / records["random"].folder / "results" / "circuit_evaluation_results.json"
    assert json.loads(results.read_text())["noted"]["reason"] == records["random"].reason
