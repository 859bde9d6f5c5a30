from pathlib import Path

import pytest

from scribe_suite import paths
from scribe_suite.cli import main
from scribe_suite.cli.run import pytest_arguments
from scribe_suite.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[2]
FAMILIES = ("circuits", "neurons", "probes", "saes", "steering", "variables")


@pytest.fixture
def own_suite(tmp_path, monkeypatch):
    """A suite of somebody else's, with a family of its own."""
    for folder in ("ground_truth", "prompts", "benchmarks/toys"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "benchmarks" / "toys" / "test_toys.py").write_text("")
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(tmp_path))
    return tmp_path.resolve()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as a wheel installs it, with a suite inside."""
    package = tmp_path.resolve() / "site-packages" / "scribe_suite"
    for folder in ("ground_truth", "prompts", "benchmarks/probes"):
        (package / paths.SHIPPED / folder).mkdir(parents=True)
    (package / paths.SHIPPED / "benchmarks" / "probes" / "test_probes.py").write_text("")
    monkeypatch.setattr(paths, "_PACKAGE", package)
    monkeypatch.delenv(paths.ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return package


def test_a_family_is_the_folder_of_its_benchmark_and_all_else_is_pytest_s(own_suite):
    root, arguments = pytest_arguments(["toys", "-n", "2", "-k", "a or b"], every=False)
    assert root == own_suite
    assert arguments == ["--rootdir", str(own_suite), str(own_suite / "benchmarks/toys"), "-n", "2", "-k", "a or b"]


def test_bench_runs_every_family_of_the_suite_in_use(monkeypatch):
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(CHECKOUT))
    _root, arguments = pytest_arguments(["--trials", "2"], every=True)
    families = [str(CHECKOUT / "benchmarks" / family) for family in FAMILIES]
    assert arguments[-len(FAMILIES) - 2 :] == [*families, "--trials", "2"]
    assert arguments[2:4] == ["-c", str(CHECKOUT / "pytest.ini")]


def test_families_that_a_suite_of_ones_own_lacks_are_those_of_the_package(own_suite):
    root, arguments = pytest_arguments(["probes"], every=False)
    assert root == CHECKOUT
    assert arguments[-1] == str(CHECKOUT / "benchmarks" / "probes")
    with pytest.raises(ConfigurationError, match="toys, probes are families of different suites"):
        pytest_arguments(["toys", "probes"], every=False)


def test_an_installed_suite_is_not_written_into(installed):
    root, arguments = pytest_arguments(["probes"], every=False)
    assert root == installed / paths.SHIPPED
    assert f"cache_dir={Path.cwd() / '.pytest_cache'}" in arguments


def test_a_run_that_is_resumed_needs_no_family(own_suite):
    _root, arguments = pytest_arguments(["--resume=20261122-174501-a1b2c3"], every=False)
    assert arguments == ["--rootdir", str(own_suite), "--resume=20261122-174501-a1b2c3"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], f"Which family? Choose from {', '.join(FAMILIES)}, or use `scribe-suite bench`."),
        (["run", "nope", "-n", "2"], f"Unknown family 'nope': choose from {', '.join(FAMILIES)}."),
        (["bench", "probes"], "bench runs all families: write `scribe-suite run probes` for some."),
    ],
)
def test_what_can_not_be_run_is_one_sentence(words, message, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == f"scribe-suite: {message}\n"


def test_help_is_that_of_the_command_wherever_it_is_asked_for(capsys):
    assert main(["run", "probes", "-n", "2", "--help"]) == 0
    assert "scribe-suite run probes -n 2 --provider reference" in capsys.readouterr().out
