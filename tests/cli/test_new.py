import pytest

from scribe_suite.cli import main
from scribe_suite.cli.new import new_files
from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import ROOT_VARIABLE


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_family_is_four_files_and_a_task_three(empty, capsys):
    assert main(["new", "family", "toys"]) == 0
    first = files_in(empty)
    assert first == {
        "benchmarks/toys/test_toys.py",
        "ground_truth/solutions/toys/example.py",
        "ground_truth/toys/example.py",
        "prompts/toys/example.md",
    }
    assert main(["new", "task", "toys/my_task"]) == 0
    assert files_in(empty) - first == {
        "ground_truth/solutions/toys/my_task.py",
        "ground_truth/toys/my_task.py",
        "prompts/toys/my_task.md",
    }
    assert "class MyTask(Task)" in (empty / "ground_truth" / "toys" / "my_task.py").read_text()
    assert "wrote prompts/toys/my_task.md" in capsys.readouterr().out


def test_the_first_task_in_a_family_of_the_package_brings_its_benchmark(empty):
    assert main(["new", "task", "circuits/my_task"]) == 0
    assert 'family("circuits")' in (empty / "benchmarks" / "circuits" / "test_circuits.py").read_text()


def test_files_go_into_the_suite_that_the_folder_is_in(empty, monkeypatch):
    assert main(["new", "family", "toys"]) == 0
    monkeypatch.chdir(empty / "benchmarks" / "toys")
    assert main(["new", "task", "toys/second"]) == 0
    assert (empty / "ground_truth" / "toys" / "second.py").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task", "my_task"], "'my_task' is not a task id: write FAMILY/NAME, such as circuits/my_task."),
        (["task", "toys/My-Task"], "'My-Task' can't be a name here: use small letters, digits and single underscores."),
        (["family", "frozen"], "'frozen' can't be a name here: use small letters, digits and single underscores."),
        (["task", "circuits/ioi"], "There is a task circuits/ioi already: choose another name."),
        (
            ["family", "circuits"],
            (
                "There is a family 'circuits' already: add to it with `scribe-suite new task circuits/NAME`, or choose "
                "another name."
            ),
        ),
    ],
)
def test_what_can_not_be_written_is_one_sentence_and_nothing_is(empty, words, message, capsys):
    assert main(["new", *words]) == 2
    assert capsys.readouterr().err == f"scribe-suite: {message}\n"
    assert files_in(empty) == set()


def test_nothing_is_overwritten(empty):
    assert main(["new", "family", "toys"]) == 0
    prompt = empty / "prompts" / "toys" / "second.md"
    prompt.write_text("mine")
    assert main(["new", "task", "toys/second"]) == 2
    assert prompt.read_text() == "mine"


def test_a_benchmark_that_asks_for_other_metrics_is_named(empty):
    benchmark = empty / "benchmarks" / "probes" / "test_probes.py"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text('@pytest.mark.metrics("accuracy", "auroc")')
    with pytest.raises(ConfigurationError, match='The benchmark of probes asks for the metrics "accuracy", "auroc"'):
        new_files(empty, "probes", "mine", new_family=False)
