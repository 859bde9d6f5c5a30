"""A failure of anything but the agent is never a score, and a run that lost an attempt never exits 0.

The traps of xdist and pytest-json-report that were measured before this suite was written each have a test here.
"""

import json
import shutil
import time

import nbformat
import psutil
import pytest

from scribe_suite.ledger.ledger import read_ledger

#: Twice the same in two kinds of run; the second kind takes twice as long.
XDIST = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)


@pytest.mark.slow
@XDIST
@pytest.mark.parametrize(
    ("provider", "cause", "message"),
    [
        ("nologin", "not_logged_in", "Log in with"),
        ("broken", "exception", "RuntimeError: a bug in the provider"),
        ("greedy", "configuration", "which only built-in providers may have"),
    ],
)
def test_a_provider_that_fails_is_infrastructure_not_a_zero(suite, workers, provider, cause, message):
    run = suite.run("--provider", provider, *workers)
    (record,) = run.ledger.attempts
    assert record.outcome == f"infrastructure:{cause}"
    assert message in record.reason
    assert record.skill is None
    assert run.ret == 3
    assert "scored 0/1" in run.output
    run.result.assert_outcomes(errors=1)


@pytest.mark.slow
def test_an_exception_in_a_scorer_is_infrastructure(suite):
    suite.add_task("toy", before_score="raise KeyError('oops')")
    run = suite.run("--provider", "oracle")
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:scoring_exception"
    assert "KeyError" in record.reason
    assert run.ret == 3
    run.result.assert_outcomes(errors=1)


@pytest.mark.slow
def test_a_scorer_that_knows_what_is_missing_keeps_its_cause(suite):
    suite.add_task(
        "toy",
        before_score="import scribe_suite.errors as e; raise e.InfrastructureError('sandbox', 'gone')",
    )
    run = suite.run("--provider", "oracle")
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:sandbox"
    assert record.reason == "gone"
    run.result.assert_outcomes(errors=1)


@pytest.mark.slow
def test_a_base_model_that_can_not_be_trusted_is_infrastructure(suite):
    suite.add_task(
        "toy",
        before_instance="from scribe_suite.errors import FrozenModelError; raise FrozenModelError('seed0 is corrupt')",
    )
    run = suite.run("--provider", "oracle")
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:frozen_model"
    assert record.reason == "seed0 is corrupt"
    run.result.assert_outcomes(errors=1)


@pytest.mark.slow
def test_an_agents_failure_beside_infrastructure_exits_1(suite):
    assert suite.run("--provider", "nologin,null").ret == 1


@pytest.mark.slow
def test_solved_beside_infrastructure_exits_3(suite):
    run = suite.run("--provider", "nologin,oracle")
    assert run.ret == 3
    assert "scored 1/2, solved 1/1, 1 failed by infrastructure" in run.output


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_attempt_and_nothing_else(suite):
    run = suite.run("--provider", "dies,oracle,null", "-n", "1")
    assert run.outcomes == {
        "toy-dies-t0": "infrastructure:worker_crashed",
        "toy-oracle-t0": "solved",
        "toy-null-t0": "no_answer",
    }
    assert run.ret == 3
    assert "scored 2/3" in run.output
    run.result.assert_outcomes(passed=1, failed=1, errors=1)


@pytest.mark.slow
def test_xdist_swallows_a_numpy_property_but_the_run_does_not_exit_0(suite):
    """xdist 3.8: a value execnet can't ship kills the worker, and the session still says "passed"."""
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        """
        import numpy as np
        import pytest

        @pytest.mark.family("circuits")
        def test_circuit(attempt, record_property):
            record_property("acc", np.float64(0.1))
            assert False
        """,
    )
    run = suite.run("--provider", "oracle", "-n", "1")
    assert run.ret == 3
    assert run.outcomes["toy-oracle-t0"].startswith("infrastructure:")


@pytest.mark.slow
@XDIST
def test_recorded_numpy_values_become_builtins(suite, workers):
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        """
        import numpy as np
        import pytest

        @pytest.mark.family("circuits")
        @pytest.mark.metrics("iou", "recall")
        def test_circuit(attempt, record_metrics):
            record_metrics({"iou": np.float64(0.25)}, recall=np.int64(1))
        """,
    )
    run = suite.run("--provider", "oracle", "--json-report", *workers)
    assert run.ret == 0
    (record,) = run.ledger.attempts
    assert record.metrics["iou"] == 0.25
    assert record.metrics["recall"] == 1.0
    (test,) = run.json_report()["tests"]
    assert test["metadata"]["scribe_suite"]["metrics"]["iou"] == 0.25


@pytest.mark.slow
@XDIST
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("record_metrics(iou=float('nan'))", "record only finite numbers"),
        ("record_metrics(iou='high')", "is not a number"),
        ("record_metrics(beauty=1)", "not in the test's metrics marker"),
    ],
)
def test_a_metric_that_is_none_is_refused_and_shown_as_an_error(suite, workers, call, message):
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        f"""
        import pytest

        @pytest.mark.family("circuits")
        @pytest.mark.metrics("iou")
        def test_circuit(attempt, record_metrics):
            {call}
        """,
    )
    run = suite.run("--provider", "oracle", "--json-report", *workers)
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:exception"
    assert message in record.reason
    assert record.metrics == {}
    assert run.ret == 3
    json.dumps(run.json_report(), allow_nan=False)
    assert run.json_report()["tests"][0]["outcome"] == "error"


@pytest.mark.slow
def test_a_log_record_that_is_not_json_does_not_lose_the_attempt(suite):
    """json-report ships log records to the controller; an extra that execnet can't carry kills the worker."""
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        """
        import logging
        import pytest

        @pytest.mark.family("circuits")
        def test_circuit(attempt):
            logging.getLogger("agent").warning("odd", extra={"thing": object()})
        """,
    )
    run = suite.run("--provider", "oracle", "--json-report", "-n", "1")
    assert run.outcomes == {"toy-oracle-t0": "solved"}
    assert run.ret == 0
    json.dumps(run.json_report(), allow_nan=False)


@XDIST
@pytest.mark.parametrize(
    "value",
    ["float('nan')", "circular", "object()", "{1, 2}"],
)
@pytest.mark.slow
def test_a_property_that_json_can_not_carry_never_hides_an_attempt(suite, workers, value):
    """json-report: NaN gives invalid JSON, an object drops the metadata, a circular value loses a failing test."""
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        f"""
        import pytest

        circular = []
        circular.append(circular)

        @pytest.mark.family("circuits")
        def test_circuit(attempt, record_property):
            record_property("odd", {value})
            attempt.require_solved()
        """,
    )
    run = suite.run("--provider", "null", "--json-report", *workers)
    assert run.ret != 0
    (record,) = run.ledger.attempts
    assert record.outcome == "no_answer" or record.outcome.startswith("infrastructure:")
    for path in suite.folder.glob("runs/*.report.json"):
        json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.slow
def test_metadata_that_json_can_not_carry_leaves_the_record_in_the_properties(suite):
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        """
        import pytest

        @pytest.mark.family("circuits")
        def test_circuit(attempt, json_metadata):
            json_metadata["odd"] = object()
        """,
    )
    run = suite.run("--provider", "oracle", "--json-report")
    assert run.outcomes == {"toy-oracle-t0": "solved"}
    (test,) = run.json_report()["tests"]
    (carried,) = [entry["scribe_suite"] for entry in test["user_properties"] if "scribe_suite" in entry]
    assert json.loads(carried)["outcome"] == "solved"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [("-n", "0"), ("-n", "1")], ids=["alone", "xdist"])
def test_a_killed_run_keeps_every_finished_attempt_and_leaves_no_process(suite, monkeypatch, workers):
    monkeypatch.setenv("TOY_CODE", "import time\ntime.sleep(120)")
    process = suite.start("--provider", "null,says", *workers)
    try:
        wait_until(lambda: suite.attempt_lines() == 1, 60)
        wait_until(lambda: len(descendants(process.pid)) > 1, 30)
        family = descendants(process.pid)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in family), 20)
    (path,) = suite.folder.glob("runs/*.jsonl")
    ledger = read_ledger(path)
    assert [record.provider for record in ledger.attempts] == ["null"]
    assert ledger.end is None
    assert len(ledger.header.planned) == 2


@pytest.mark.core
@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_cell_loses_nothing_that_ran_and_the_next_attempt_starts(suite, monkeypatch):
    monkeypatch.setenv("TOY_CODE", "import time\nprint('begun', flush=True)\ntime.sleep(120)")
    process = suite.start("--provider", "says,oracle", "-n", "1")
    try:
        wait_until(
            lambda: "begun\\n" in "".join(path.read_text() for path in suite.folder.rglob("*.journal.jsonl")), 90
        )
        (worker,) = [
            child
            for child in psutil.Process(process.pid).children()
            if "execnet" in " ".join(child.cmdline()) or "-c" in child.cmdline()
        ]
        family = worker.children(recursive=True)
        worker.kill()
        assert process.wait(120) == 3
    finally:
        process.kill()
        process.wait()
    assert len(family) >= 3
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in family), 20)
    (path,) = suite.folder.glob("runs/*.jsonl")
    outcomes = {record.provider: record.outcome for record in read_ledger(path).attempts}
    assert outcomes == {"says": "infrastructure:worker_crashed", "oracle": "solved"}
    (notebook,) = suite.folder.glob("runs/toy_says_*/notebooks/*.ipynb")
    cell = nbformat.read(notebook, 4).cells[-1]
    assert cell.outputs[0].text == "begun\n"
    assert cell.metadata.scribe.status == "died"


def descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until(condition, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("transcript", "cause", "message"),
    [
        ("None", "bad_transcript", "returned a NoneType, not a ProviderResult"),
        ("ProviderResult(cost_usd=float('nan'))", "bad_transcript", "cost_usd"),
        ("ProviderResult(tokens={'input': 'many'})", "bad_transcript", "tokens"),
        ("ProviderResult('bogus')", "bad_transcript", "end_reason"),
        ("InfrastructureError('', 'nothing to say')", "provider_error", "nothing to say"),
        ("InfrastructureError('a b/c', chr(0xD800))", "provider_error", "\ufffd ('a b/c' is not a cause of failure"),
    ],
)
@pytest.mark.slow
def test_whatever_a_provider_returns_costs_its_own_attempt_only(suite, monkeypatch, transcript, cause, message):
    monkeypatch.setenv("TOY_TRANSCRIPT", transcript)
    run = suite.run("--provider", "weird,oracle", "-n", "1")
    assert run.outcomes == {"toy-weird-t0": f"infrastructure:{cause}", "toy-oracle-t0": "solved"}
    assert message in next(record.reason for record in run.ledger.attempts if record.provider == "weird")
    assert run.ret == 3


@pytest.mark.slow
def test_odd_text_in_a_transcript_is_made_plain(suite, monkeypatch):
    monkeypatch.setenv("TOY_TRANSCRIPT", "ProviderResult(detail=chr(0xD800) + 'gave up')")
    run = suite.run("--provider", "weird", "--json-report")
    (record,) = run.ledger.attempts
    assert (record.outcome, record.reason) == ("no_answer", "\N{REPLACEMENT CHARACTER}gave up")


@pytest.mark.slow
def test_a_notebook_that_fails_after_the_answer_does_not_take_it_back(suite):
    """Or an agent that knows it was wrong could break its notebook and have the attempt not count."""
    suite.write(
        "benchmarks/circuits/conftest.py",
        """
        import pytest
        from scribe_suite.notebook.server import NotebookServer

        @pytest.fixture(autouse=True)
        def broken(monkeypatch):
            from dataclasses import replace
            whole = NotebookServer.status
            broken = dict(infrastructure_cause="journal_write", infrastructure_error="no room")
            monkeypatch.setattr(NotebookServer, "status", lambda server: replace(whole(server), **broken))
        """,
    )
    run = suite.run("--provider", "random,null")
    records = {record.provider: record for record in run.ledger.attempts}
    assert records["random"].outcome == "unsolved"
    assert records["random"].flags == ("notebook_failed:journal_write",)
    assert records["null"].outcome == "infrastructure:journal_write"


@pytest.mark.slow
def test_a_notebook_that_does_not_close_is_named_its_kernels_are_dead_and_the_next_attempt_goes_on(suite):
    suite.write(
        "benchmarks/conftest.py",
        """
        import time
        from scribe_suite.notebook import server, session_table
        from scribe_suite.sandbox.sandbox import Sandbox

        server.CLOSE_S = 4.0
        calls, kill, close = [], Sandbox.kill, session_table.SessionTable.close

        async def hang(table):
            calls.append(1)
            if len(calls) <= 2:
                time.sleep(60)
            await close(table)

        def killed(sandbox):
            processes = list(sandbox._processes)
            kill(sandbox)
            print("killed", [process.poll() is not None for process in processes])

        session_table.SessionTable.close, Sandbox.kill = hang, killed
        """,
    )
    begin = time.monotonic()
    run = suite.run("--provider", "null,oracle", "--trials", "2", "-s")
    outcomes = [(record.provider, record.outcome, record.flags) for record in run.ledger.attempts]
    closed = ("infrastructure:notebook_close", ())
    assert outcomes[0] == ("null", *closed), run.output
    assert [outcome for _provider, outcome, _flags in outcomes].count("solved") == 2
    assert sum("notebook_failed:notebook_close" in flags for _provider, _outcome, flags in outcomes) <= 1
    assert run.output.count("killed [True]") == 2
    assert "did not close within 4 s" in run.output
    assert run.ret != 0
    assert time.monotonic() - begin < 100


@pytest.mark.slow
def test_a_full_disk_costs_the_result_file_and_not_the_record(suite):
    suite.write(
        "benchmarks/conftest.py",
        """
        from scribe_suite.ledger import attempt_folder

        def full(*_):
            raise OSError(28, "No space left on device")

        attempt_folder.AttemptFolder.write_results = full
        """,
    )
    run = suite.run("--provider", "oracle,null")
    assert run.outcomes == {"toy-oracle-t0": "solved", "toy-null-t0": "no_answer"}
    assert {record.flags for record in run.ledger.attempts} == {("results_not_written",)}
    assert "INTERNALERROR" not in run.output


@pytest.mark.slow
def test_a_ledger_that_can_not_be_written_fails_the_run_and_the_table_is_printed(suite):
    suite.write(
        "benchmarks/conftest.py",
        """
        from scribe_suite.ledger.ledger import LedgerWriter

        def full(*_):
            raise OSError(28, "No space left on device")

        LedgerWriter.append = full
        """,
    )
    run = suite.run("--provider", "oracle")
    assert run.ret == 3
    assert "can't be written any more (No space left on device). Free some room." in run.output
    assert "scored 1/1, solved 1/1" in run.output
    assert "INTERNALERROR" not in run.output


@pytest.mark.slow
def test_a_set_up_cell_that_fails_is_named_and_not_what_the_provider_made_of_it(suite):
    task = suite.folder / "ground_truth/circuits/toy.py"
    task.write_text(task.read_text().replace("data_code='import json", "data_code='import no_such_module, json"))
    run = suite.run("--provider", "oracle")
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:setup_cell"
    assert "No module named 'no_such_module'" in record.reason
    assert run.ret == 3


@pytest.mark.slow
def test_our_own_errors_are_one_sentence_not_a_traceback(suite):
    run = suite.run("--provider", "nologin")
    assert "infrastructure:not_logged_in: Log in with `nologin login`." in run.output
    assert "Traceback" not in run.output
    assert "def attempt" not in run.output


@pytest.mark.slow
def test_strict_isolation_that_can_not_be_had_is_a_usage_error(suite):
    suite.write(
        "benchmarks/conftest.py",
        "from scribe_suite.sandbox import probing\n"
        "from scribe_suite.sandbox.tiers import IsolationTier\n"
        "probing.best_tier = lambda: IsolationTier('none', ('none here',))\n",
    )
    for workers in ((), ("-n", "1")):
        run = suite.run("--provider", "null", "--isolation", "strict", *workers)
        assert run.ret == pytest.ExitCode.USAGE_ERROR
        assert "none here" in run.output
        assert "INTERNALERROR" not in run.output


@pytest.mark.slow
def test_a_tests_own_check_makes_a_solved_attempt_unsolved(suite):
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        """
        import pytest

        @pytest.mark.family("circuits")
        def test_circuit(attempt):
            assert attempt.metrics["iou"] > 2
        """,
    )
    run = suite.run("--provider", "oracle")
    assert run.outcomes == {"toy-oracle-t0": "unsolved"}
    assert run.ret == 1


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_was_finished_and_says_what_is_missing(suite):
    suite.write(
        "benchmarks/circuits/test_stop.py",
        """
        import pytest

        @pytest.mark.family("circuits")
        def test_stop(attempt):
            raise KeyboardInterrupt
        """,
    )
    run = suite.run("--provider", "oracle")
    assert run.ret == pytest.ExitCode.INTERRUPTED
    assert run.outcomes == {"toy-oracle-t0": "solved"}
    assert run.ledger.end is not None
    assert [nodeid.partition("::")[2] for nodeid in run.ledger.end.missing] == ["test_stop[toy-oracle-t0]"]


def test_a_task_whose_code_can_not_be_loaded_any_more_is_infrastructure(suite):
    path = suite.folder / "ground_truth/circuits/toy.py"
    suite.write("needed.py", "")
    suite.write(
        "ground_truth/circuits/toy.py", path.read_text().replace("import random\n", "import needed\nimport random\n")
    )
    assert suite.run().ret == 0  # from now on the task is known without its file
    (suite.folder / "needed.py").unlink()
    shutil.rmtree(suite.folder / "runs")
    done = suite.run()
    assert done.ret == 3, done.output
    (record,) = done.ledger.attempts
    assert record.outcome == "infrastructure:configuration"
    assert "No module named 'needed'" in record.reason
