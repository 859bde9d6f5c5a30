import pytest


def ids(run):
    return [line.partition("::")[2] for line in run.output.splitlines() if "::test_" in line]


@pytest.mark.slow
def test_what_agents_leave_in_their_folders_is_never_collected_nor_run(suite):
    """BenchJack V1; the hack of SWE-bench was a conftest.py."""
    loud = "from pathlib import Path\nPath(__file__).with_name('it_ran').touch()\n"
    for place in ("runs/toy_agent_20260101-000000", "benchmarks/elsewhere/toy_agent_20260101-000000"):
        for part in ("notebooks", "results", "outputs"):
            for name in ("conftest.py", "test_forged.py", "pytest.ini", "sitecustomize.py"):
                suite.write(f"{place}/{part}/{name}", loud + "def test_forged():\n    pass\n")
            suite.write(f"{place}/conftest.py", loud)
    for path, results in ((".", "runs"), ("benchmarks", "benchmarks/elsewhere")):
        done = suite.run("--provider", "null", "--record-only", "--results-dir", results, path=path)
        assert "forged" not in done.output
        assert len(done.ledger.attempts if results == "runs" else [1]) == 1, done.output
        assert not list(suite.folder.rglob("it_ran"))


def test_ids_are_task_provider_trial_and_nothing_is_started(suite):
    suite.add_task("other")
    run = suite.run("--collect-only", "-q", "--provider", "null,random:v2", "--trials", "2")
    assert ids(run) == [
        f"test_circuit[{task}-{provider}-t{trial}]"
        for task in ("other", "toy")
        for provider in ("null", "random:v2")
        for trial in (0, 1)
    ]
    assert not (suite.folder / "runs").exists()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('@pytest.mark.metrics("iou", "beauty")', "names 'beauty', but circuits/toy has iou"),
        ("@pytest.mark.metrics()", "the metrics marker takes names"),
        ("@pytest.mark.pass_mark(7)", "takes one skill between -1 and 1"),
        ("@pytest.mark.pass_mark()", "takes one skill between -1 and 1"),
        ('@pytest.mark.family("nope")', "Unknown task family 'nope': choose from circuits"),
    ],
)
def test_a_bad_marker_stops_at_collection(suite, marker, message):
    family = "" if "family" in marker else '@pytest.mark.family("circuits")\n'
    suite.write(
        "benchmarks/circuits/test_circuits.py",
        f"import pytest\n\n{family}{marker}\ndef test_circuit(attempt):\n    pass\n",
    )
    run = suite.run()
    assert run.ret not in (0, 1)
    assert message in run.output
    assert not (suite.folder / "runs").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_test_without_a_family_is_told_what_to_write(suite, workers):
    suite.write("benchmarks/circuits/test_circuits.py", "def test_circuit(attempt):\n    pass\n")
    run = suite.run(*workers)
    assert run.ret == 2  # with workers too: that it is 1 there would say that agents failed
    assert 'mark the test with @pytest.mark.family("circuits")' in run.output


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("prompts/circuits/toy.md", "The prompt of circuits/toy is missing: write prompts/circuits/toy.md"),
        ("ground_truth/solutions/circuits/toy.py", "The reference solution of circuits/toy is missing"),
    ],
)
def test_a_missing_file_of_a_task_stops_at_collection(suite, missing, message):
    (suite.folder / missing).unlink()
    run = suite.run()
    assert "Traceback" not in run.output
    assert "pytest_generate_tests" not in run.output
    assert run.ret not in (0, 1)
    assert message in run.output
    assert not (suite.folder / "runs").exists()
