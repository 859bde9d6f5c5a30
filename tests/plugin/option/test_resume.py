"""A run that was cut off or failed by infrastructure is taken up where it was left."""

import json

import pytest

from scribe_suite.ledger.ledger import Ledger, LedgerWriter, read_ledger
from scribe_suite.ledger.sources import read_records
from scribe_suite.plugin.option.options import OPTIONS
from scribe_suite.plugin.option.resume import ResumedRun, kept_values, reopen_run
from tests.ledger.factories import attempt, failed, header, write_ledger

XDIST = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)


def ledger_path(suite):
    (path,) = suite.folder.glob("runs/*.jsonl")
    return path


def cut(path, lines, tail=b'{"line":"attempt","nod'):
    """Leave the first lines of a ledger and the beginning of another, as a killed controller would."""
    kept = path.read_bytes().split(b"\n")[:lines]
    path.write_bytes(b"\n".join([*kept, tail]))


def short(nodeids):
    return sorted(nodeid.partition("[")[2].rstrip("]") for nodeid in nodeids)


@pytest.mark.slow
@XDIST
def test_only_what_is_missing_or_was_failed_by_infrastructure_is_made(suite, workers):
    """No path is given; instances, providers, trials and limits come from the ledger, whose torn line is cut off."""
    options = ("--provider", "random,nologin,null", "--trials", "2", "--agent-timeout", "77", "--max-turns", "9")
    first = suite.run(*options, *workers, "--isolation", "none", "--pass-mark", "0.1", "--json-report")
    assert first.ret == 1
    path = ledger_path(suite)
    whole = read_ledger(path)
    cut(path, 1 + 3)
    before = read_ledger(path)
    suite.write("agents/toy_agents.py", (suite.folder / "agents/toy_agents.py").read_text().replace(
        'raise InfrastructureError("not_logged_in"', 'return ProviderResult() # '))  # fmt: skip
    suite.write("other/test_other.py", "raise RuntimeError('nobody asked for this file')\n")
    resumed = suite.run("--json-report", *workers, path=f"--resume={path.stem}")
    after = read_ledger(path)
    assert after.header == before.header
    (line,) = after.resumes
    counted = [record for record in before.attempts if record.counts]
    assert set(line.planned) == set(before.header.planned) - {record.nodeid for record in counted}
    assert line.differences == line.machine_differences == ()
    assert len(after.attempts) == len(after.header.planned) == 6
    assert all(record.counts for record in after.attempts)
    assert all(record in after.attempts for record in counted)
    assert len(after.records) == len(before.records) + len(line.planned)
    seeds = {(record.task, record.trial): record.instance_seed for record in whole.attempts}
    for record in after.attempts:
        assert record.instance_seed == seeds[record.task, record.trial]
        assert (record.isolation, record.pass_mark) == ("none", 0.1)
    assert after.end is not None
    assert (after.end.exit_code, after.end.missing) == (resumed.ret, ())
    assert resumed.ret == 1
    assert "scored 6/6" in resumed.output
    assert f"{path.stem} is resumed: {len(line.planned)} of its 6 attempts are made" in resumed.output
    assert {name.name.partition(".")[2] for name in suite.folder.glob("runs/*.report.json")} == {
        "report.json",
        "resume1.report.json",
    }
    # once more: there is nothing left
    content = path.read_bytes()
    again = suite.run(*workers, path=f"--resume={path}")
    assert again.ret == 0
    assert "nothing is left to run" in again.output
    assert "scored 6/6" in again.output
    assert path.read_bytes() == content


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_last_line_is_ended_by_resuming_it(suite):
    suite.run("--provider", "oracle")
    path = ledger_path(suite)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rstrip(b"\n").rfind(b"\n") + 1])
    assert read_ledger(path).end is None
    resumed = suite.run("--resume", path.stem)
    assert resumed.ret == 0
    ledger = read_ledger(path)
    assert ledger.end is not None
    assert ledger.end.missing == ()
    assert len(ledger.records) == 1


@pytest.mark.slow
def test_an_attempt_that_fails_again_leaves_the_run_failed(suite):
    suite.run("--provider", "nologin,oracle")
    path = ledger_path(suite)
    resumed = suite.run("--resume", path.stem)
    ledger = read_ledger(path)
    assert resumed.ret == 3
    assert short(ledger.resumes[0].planned) == ["toy-nologin-t0"]
    assert len(ledger.records) == 3
    assert "scored 1/2, solved 1/1, 1 failed by infrastructure" in resumed.output


@pytest.mark.slow
def test_what_is_left_and_not_chosen_stays_left(suite):
    suite.run("--provider", "nologin,broken,oracle")
    path = ledger_path(suite)
    chosen = suite.run("--resume", path.stem, "-k", "broken")
    assert chosen.ret == 3
    assert "1 more are missing but not among the selected tests" in chosen.output
    assert short(read_ledger(path).resumes[0].planned) == ["toy-broken-t0"]
    none = suite.run("--resume", path.stem, "-k", "oracle")
    assert none.ret == 3
    assert "none of the 2 attempts" in none.output
    assert len(read_ledger(path).records) == 4


@pytest.fixture
def cut_off(suite):
    """A run of one attempt that was cut off before it."""
    suite.run("--provider", "null", "--instance-seed", "7", "--isolation", "none")
    path = ledger_path(suite)
    cut(path, 1)
    return suite, path


@pytest.mark.slow
def test_other_code_prompts_or_instances_are_refused_by_name_unless_the_user_insists(cut_off):
    suite, path = cut_off
    content = path.read_bytes()
    prompt = suite.folder / "prompts/circuits/toy.md"
    prompt.write_text(prompt.read_text() + "More.\n")
    suite.write("ground_truth/circuits/toy.py", (suite.folder / "ground_truth/circuits/toy.py").read_text() + "\n")
    refused = suite.run("--resume", str(path))
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    for name in ("circuits/toy: prompt (in the run: ", "circuits/toy: code (in the run: ", "--resume-anyway"):
        assert name in refused.output
    assert path.read_bytes() == content
    accepted = suite.run("--resume", str(path), "--resume-anyway")
    assert accepted.ret == 1
    (line,) = read_ledger(path).resumes
    assert len(line.differences) == 2
    assert "these have changed since the run began: " in accepted.output
    info, records = read_records(path)
    assert info.differences == line.differences
    assert len(records) == 1


@pytest.mark.slow
def test_another_machine_is_told_and_no_obstacle_and_options_may_be_repeated(cut_off):
    suite, path = cut_off
    header, *rest = path.read_bytes().split(b"\n")
    changed = json.loads(header)
    changed["lock"]["machine"]["cpu"] = "Other 9000"
    path.write_bytes(b"\n".join([json.dumps(changed).encode(), *rest]))
    repeated = ("--provider", "null", "--trials", "1", "--instance-seed", "7", "--isolation", "none")
    resumed = suite.run("--resume", str(path), *repeated, "--results-dir", "runs", "--agent-timeout", "1800")
    assert resumed.ret == 1
    assert "the machine is different, so times are not comparable: machine cpu (in the run: Other 9000, now" in (
        resumed.output
    )
    (line,) = read_ledger(path).resumes
    assert line.differences == ()
    assert len(line.machine_differences) == 1


@pytest.mark.slow
def test_looking_at_what_would_be_run_changes_nothing(cut_off):
    suite, path = cut_off
    content = path.read_bytes()
    run = suite.run("--resume", str(path), "--collect-only", "-q")
    assert run.ret == 0
    assert "toy-null-t0" in run.output
    assert path.read_bytes() == content


def test_a_contradiction_is_a_usage_error_that_changes_nothing(suite):
    path = write_ledger(suite.folder / "runs" / "r1.jsonl", [attempt()], trials=3)
    content = path.read_bytes()
    run = suite.run("--resume", "r1", "--trials", "2", "--record-only")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "the run r1 was started with other options: leave out --trials (in the run: 3), --record-only" in run.output
    assert path.read_bytes() == content


# -- without running anything -----------------------------------------------------------------------------------------


def resumed_values(folder, **given):
    """A run that is resumed, and the values of all options."""
    values = {**{option.name: None for option in OPTIONS}, "resume": "r1", **given}
    resumed = reopen_run(values["resume"], folder, anyway=False)
    try:
        return resumed, kept_values(values, resumed, folder)
    finally:
        resumed.writer.leave()


RECORDS = [attempt(), failed(trial=1), attempt("probes/x", trial=2)]


def test_what_is_left_and_how_it_is_run_comes_from_the_ledger(tmp_path):
    planned = tuple(record.nodeid for record in [*RECORDS, attempt("neurons/y")])
    limits = {"agent_timeout_s": 9.5, "cell_timeout_s": 4.0, "max_turns": 7.0}
    write_ledger(tmp_path / "r1.jsonl", RECORDS, planned=planned, trials=3, limits=limits, shard="1/2")
    resumed, values = resumed_values(tmp_path, shard="1/2")
    assert resumed.pending == (planned[1], planned[3])
    files = [str(tmp_path / f"benchmarks/{name}/test_{name}.py") for name in ("circuits", "neurons")]
    assert resumed.files(tmp_path) == files
    assert {name: value for name, value in values.items() if value is not None} == {
        "provider": ["reference"],
        "trials": 3,
        "instance_seed": "5",
        "agent_timeout": 9.5,
        "cell_timeout": 4.0,
        "max_turns": 7,
        "record_only": False,
        "isolation": "auto",
        "model_source": "planted",
        "device": "auto",
        "resume": "r1",
    }


def test_fresh_repeated_means_the_instances_of_the_run(tmp_path):
    write_ledger(tmp_path / "r1.jsonl", RECORDS, seed_mode="fresh")
    assert resumed_values(tmp_path, instance_seed="fresh")[1]["instance_seed"] == "5"


def test_levels_and_model_come_from_the_ledger(tmp_path):
    write_ledger(tmp_path / "r1.jsonl", RECORDS, levels="2,3", model="package:smollm2")
    values = resumed_values(tmp_path)[1]
    assert (values["level"], values["model"]) == ("2,3", "package:smollm2")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"provider": ["oracle"]}, "--provider (in the run: reference)"),
        ({"provider": ["reference,null"]}, "--provider (in the run: reference)"),
        ({"instance_seed": "8"}, "--instance-seed (in the run: another seed)"),
        ({"instance_seed": "fresh"}, "--instance-seed (in the run: another seed)"),
        ({"agent_timeout": 2.0}, "--agent-timeout (in the run: 1.0)"),
        ({"max_cost_usd": 1.0}, "--max-cost-usd (in the run: not given)"),
        ({"pass_mark": 0.5, "shard": "1/2"}, "--pass-mark (in the run: not given), --shard (in the run: not given)"),
        ({"isolation": "none"}, "--isolation (in the run: auto)"),
        ({"model_source": "real"}, "--model-source (in the run: planted)"),
        ({"level": "2"}, "--level (in the run: not given)"),
        ({"model": "package:other"}, "--model (in the run: not given)"),
        ({"device": "cuda"}, "--device (in the run: auto)"),
        ({"results_dir": "elsewhere"}, "--results-dir (in the run: "),
    ],
)
def test_options_that_contradict_the_run_are_named(tmp_path, given, named):
    path = write_ledger(tmp_path / "runs" / "r1.jsonl", RECORDS)
    with pytest.raises(pytest.UsageError) as refused:
        resumed_values(tmp_path, resume=str(path), **given)
    assert "was started with other options: leave out " + named in str(refused.value)


def test_a_run_that_still_goes_on_is_not_resumed(tmp_path):
    path = write_ledger(tmp_path / "r1.jsonl", RECORDS)
    writer, _ = LedgerWriter.reopen(path)
    with pytest.raises(pytest.UsageError, match="The run r1 is still in progress: wait for its end, or stop it"):
        resumed_values(tmp_path)
    writer.leave()
    assert resumed_values(tmp_path)[0].header.run == "r1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "There is no run 'nothing'"),
        ("no_ledger.txt", "is not a line of a ledger"),
        ("renamed", "is the ledger of the run r1: give it back its name r1.jsonl"),
    ],
)
def test_what_can_not_be_resumed_is_named(tmp_path, name, message):
    (tmp_path / "no_ledger.txt").write_text("hello\n")
    write_ledger(tmp_path / "renamed.jsonl", RECORDS, run="r1")
    with pytest.raises(pytest.UsageError, match=message):
        reopen_run(name, tmp_path, anyway=False)


def test_what_is_gone_is_a_difference_too():
    then = {
        "tasks": {"circuits/x": {"version": 1}},
        "providers": {"claude": {"program": "1.0"}},
        "git": {"commit": 1},
    }
    now = {"tasks": {}, "providers": {"claude": {"program": "2.0"}}, "git": {"commit": 1}, "machine": {"cores": 2}}
    resumed = ResumedRun(None, Ledger(header(lock=then | {"machine": {"cores": 4}}), (), None), (), False)
    assert resumed.differences(now) == [
        "circuits/x: it is not here any more",
        "claude: program (in the run: 1.0, now: 2.0)",
    ]
    assert resumed.machine_differences(now) == ["machine cores (in the run: 4, now: 2)"]
