"""``--level``: which levels of the tasks are run, and what a run keeps of them."""

from types import SimpleNamespace

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.plugin.option.levels import LevelChoice

XDIST = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
LEVELS = 'levels = {1: "easy", 2: "harder", 3: "hardest"}; default_levels = (1, 2); headroom_levels = (3,)'


@pytest.fixture
def with_levels(suite):
    suite.add_task("mechanism", attributes=LEVELS)
    return suite


def collected(suite, *arguments):
    output = suite.run("--collect-only", "-q", "--provider", "null", *arguments).output
    return [
        line.partition("[")[2].removesuffix("-null-t0]") for line in output.splitlines() if line.endswith("-null-t0]")
    ]


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ([], ["mechanism", "mechanism_2", "toy"]),
        (["--level", "1"], ["mechanism", "toy"]),
        (["--level", "3,2"], ["mechanism_2", "mechanism_3"]),
        (["--level", "headroom"], ["mechanism_3"]),
        (["--level", "headroom,1"], ["mechanism", "mechanism_3", "toy"]),
        (["--level", "all"], ["mechanism", "mechanism_2", "mechanism_3", "toy"]),
    ],
)
def test_it_chooses_the_levels_and_a_task_without_levels_has_the_first(with_levels, options, labels):
    assert collected(with_levels, *options) == labels


@pytest.mark.slow
@XDIST
def test_a_run_records_levels_and_a_resumed_one_keeps_them(with_levels, workers):
    first = with_levels.run("--provider", "nologin,oracle", "--level", "2,3", *workers)
    ledger = first.ledger
    assert ledger.header.levels == "2,3"
    assert {(record.task, record.level, record.provider, record.outcome) for record in ledger.attempts} == {
        (f"circuits/mechanism_{level}", level, provider, outcome)
        for level in (2, 3)
        for provider, outcome in (("nologin", "infrastructure:not_logged_in"), ("oracle", "solved"))
    }
    seeds = {record.task: record.instance_seed for record in ledger.attempts}
    assert len(set(seeds.values())) == 2, "each level is a task of its own"
    assert all(record.folder.startswith(f"mechanism_{record.level}_") for record in ledger.attempts)
    (path,) = with_levels.folder.glob("runs/*.jsonl")
    resumed = with_levels.run(*workers, path=f"--resume={path.stem}")
    assert f"{path.stem} is resumed: 2 of its 4 attempts are made" in resumed.output
    (line,) = read_ledger(path).resumes
    assert sorted(nodeid.partition("[")[2] for nodeid in line.planned) == [
        "mechanism_2-nologin-t0]",
        "mechanism_3-nologin-t0]",
    ]
    refused = with_levels.run("--level", "2", path=f"--resume={path.stem}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out --level (in the run: 2,3)" in refused.output


@XDIST
def test_a_level_that_no_selected_task_has_is_one_clear_sentence(with_levels, workers):
    run = with_levels.run("--provider", "null", "--level", "3,4", *workers)
    assert run.ret not in (0, 1)
    assert "--level 3,4: no selected task has level 4; there are levels 1, 2 and 3." in run.output
    assert not (with_levels.folder / "runs").exists()


@pytest.mark.slow
def test_a_shard_need_not_have_all_levels(with_levels):
    codes = [
        with_levels.run("--provider", "null", "--record-only", "--level", "2,3", "--shard", shard).ret
        for shard in ("1/3", "2/3", "3/3")
    ]
    assert set(codes) <= {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    ran = [record.level for path in with_levels.folder.glob("runs/*.jsonl") for record in read_ledger(path).attempts]
    assert sorted(ran) == [2, 3]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "one", "1,", "all,2", "1234", "²", "Headroom", "all,headroom"])
def test_what_names_no_levels_is_refused(text):
    with pytest.raises(ValueError, match="names no levels"):
        LevelChoice.parse(text)


def test_a_choice_is_written_in_one_order():
    written = {"3, 2,2": "2,3", "all": "all", "1": "1", "headroom": "headroom", "headroom,4,1": "1,4,headroom"}
    assert {text: str(LevelChoice.parse(text)) for text in written} == written
    assert str(LevelChoice()) == ""


def test_what_was_not_found_is_named_together_with_what_there_is():
    tasks = [SimpleNamespace(level=level, has_headroom=level == 2) for level in (1, 1, 2)]
    assert LevelChoice.parse("1,2").not_found(tasks, tasks) is None
    assert LevelChoice.parse("all").not_found([], tasks) is None
    assert LevelChoice.parse("1,2").not_found(tasks[:2], tasks) == (
        "--level 1,2: no selected task has level 2, but others have; see the path, -k and --model-source."
    )
    assert LevelChoice.parse("headroom").not_found(tasks, tasks) is None
    assert LevelChoice.parse("1,headroom").not_found(tasks[:2], tasks) == (
        "--level 1,headroom: no selected task has a level with headroom (docs/headroom.md)."
    )
    assert LevelChoice.parse("3,5,1").not_found(tasks[:2], tasks[:2]) == (
        "--level 1,3,5: no selected task has level 3 or 5; there is level 1."
    )
