"""``--model-source`` and ``--model``: tasks on a real language model, which run only where model and truth are."""

import pytest

from scribe_suite.ledger.ledger import read_ledger

XDIST = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
#: Stands for `MeasuredTask`: what decides is the same, and no test here waits for torch.
ON_A_REAL_MODEL = """
    source = "real"

    def unavailable(self):
        from pathlib import Path
        return None if Path("MODEL").exists() else "the model is not ready: run `make real-models`."

    def plant(self"""


@pytest.fixture
def with_real(suite, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_DEVICE", "cpu")
    suite.add_task("toy_real")
    path = suite.folder / "ground_truth/circuits/toy_real.py"
    suite.write("ground_truth/circuits/toy_real.py", path.read_text().replace("\n    def plant(self", ON_A_REAL_MODEL))
    suite.write("MODEL", "")
    return suite


def planned(suite):
    (path,) = suite.folder.glob("runs/*.jsonl")
    return [nodeid.partition("[")[2].partition("-")[0] for nodeid in read_ledger(path).header.planned]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "tasks"),
    [
        (["--model-source", "real", "--device", "cpu"], ["toy_real"]),
        ([], ["toy"]),
        (["--model-source", "all", "--device", "cpu"], ["toy", "toy_real"]),
    ],
)
def test_it_chooses_the_tasks(with_real, options, tasks):
    run = with_real.run("--provider", "oracle", *options)
    assert run.ret == 0
    assert planned(with_real) == tasks
    assert run.ledger.header.device == ("cpu" if "toy_real" in tasks else None)


@pytest.mark.slow
@XDIST
def test_without_the_model_the_tests_are_skipped_with_the_command_that_installs_it(with_real, workers):
    (with_real.folder / "MODEL").unlink()
    run = with_real.run("--provider", "oracle,null", "--model-source", "all", "--device", "cpu", "-rs", *workers)
    assert run.ret == 1, "null solves nothing, and what was skipped is no failure"
    assert "scribe-suite: 2 tests are skipped: the model is not ready: run `make real-models`." in run.output
    assert run.output.count("the model is not ready") >= 2, "and in pytest's own summary"
    run.result.assert_outcomes(passed=1, failed=1, skipped=2)
    assert planned(with_real) == ["toy", "toy"]
    assert len(run.ledger.attempts) == 2


@pytest.mark.slow
def test_a_run_of_nothing_but_skipped_tests_has_no_ledger(with_real):
    (with_real.folder / "MODEL").unlink()
    run = with_real.run("--model-source", "real", "--device", "cpu")
    assert run.ret == 0
    run.result.assert_outcomes(skipped=1)
    assert not list(with_real.folder.glob("runs/*.jsonl"))


@pytest.mark.slow
def test_a_resumed_run_takes_the_same_tasks(with_real):
    with_real.run("--provider", "nologin", "--model-source", "real", "--device", "cpu")
    (path,) = with_real.folder.glob("runs/*.jsonl")
    run = with_real.run(path=f"--resume={path.stem}")
    assert f"{path.stem} is resumed: 1 of its 1 attempts are made" in run.output
    refused = with_real.run("--model-source", "planted", path=f"--resume={path.stem}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out --model-source (in the run: real)" in refused.output


#: A task that says which model was selected in the worker that made the attempt, in the one field of a record that may
#: name any model.
NAMES_THE_MODEL = """
    def instance(self, seed):
        from dataclasses import replace
        from scribe_suite.measurements.selection import selected_model
        return replace(self.drawn(seed), base_model=selected_model())

    def drawn(self, seed):"""


@pytest.mark.slow
@XDIST
def test_the_model_that_is_asked_for_is_selected_in_every_process_and_kept(with_real, workers):
    path = with_real.folder / "ground_truth/circuits/toy_real.py"
    text = path.read_text().replace("\n    def instance(self, seed):", NAMES_THE_MODEL)
    with_real.write("ground_truth/circuits/toy_real.py", text)
    real = ("--model-source", "real", "--device", "cpu", *workers)
    run = with_real.run("--provider", "oracle,nologin", "--model", "hub:gpt2", *real)
    assert {record.base_model for record in run.ledger.attempts} == {"hub:gpt2"}
    assert run.ledger.header.model == "hub:gpt2"
    (ledger,) = with_real.folder.glob("runs/*.jsonl")
    with_real.run(*workers, path=f"--resume={ledger.stem}")
    assert [record.base_model for record in read_ledger(ledger).records] == ["hub:gpt2"] * 3
    refused = with_real.run("--model", "hub:other", path=f"--resume={ledger.stem}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out --model (in the run: hub:gpt2)" in refused.output


@pytest.mark.slow
def test_the_default_model_is_recorded_only_where_tasks_are_about_it(with_real):
    with_real.run("--provider", "oracle", "--model-source", "all", "--device", "cpu")
    with_real.run("--provider", "oracle", "--results-dir", "planted")
    (real,), (planted_only,) = with_real.folder.glob("runs/*.jsonl"), with_real.folder.glob("planted/*.jsonl")
    assert read_ledger(real).header.model == "package:smollm2"
    assert read_ledger(planted_only).header.model is None


def test_a_text_that_names_no_model_is_a_usage_error(with_real):
    run = with_real.run("--model", "nonsense")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "nonsense" in run.output


def test_a_gpu_that_is_not_there_is_a_usage_error(with_real, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run = with_real.run("--device", "cuda")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "--device cuda needs a GPU that PyTorch can use, and there is none" in run.output
