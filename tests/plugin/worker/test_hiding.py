from pathlib import Path

import pytest

from scribe_suite import paths
from scribe_suite.plugin.worker.hiding import hidden_from_kernels, hidden_from_programs

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A Python environment with the package installed in it."""
    folder = tmp_path.resolve() / "environment"
    package = folder / "lib" / "scribe_suite"
    for name in ("suite/ground_truth", "suite/prompts", "notebook", "scoring"):
        (package / name).mkdir(parents=True)
    (package / "paths.py").touch()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    monkeypatch.delenv(paths.ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_checkout_is_hidden_as_a_whole_and_its_truths_for_good(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(CHECKOUT))
    assert hidden_from_kernels([tmp_path]) == (CHECKOUT, tmp_path.resolve())
    hidden = hidden_from_programs([tmp_path], [])
    assert hidden.whole == (CHECKOUT,)
    assert {CHECKOUT / "ground_truth", CHECKOUT / ".git", tmp_path} == {*hidden.sealed}


def test_programs_see_an_environment_with_the_package_but_not_what_is_in_it(environment, tmp_path):
    assert hidden_from_kernels([tmp_path])[0] == environment / "lib" / "scribe_suite"
    hidden = hidden_from_programs([tmp_path / "runs"], [])
    assert hidden.allows(environment)
    emptied = {path.name for path in hidden.emptied}
    assert emptied == {"suite", "scoring", "paths.py"}  # of the notebook, its script is needed


def test_a_suite_of_ones_own_is_hidden_with_the_package(environment, tmp_path, monkeypatch):
    own = tmp_path.resolve() / "own"
    for name in ("ground_truth", "prompts"):
        (own / name).mkdir(parents=True)
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(own))
    assert hidden_from_kernels([tmp_path])[:2] == (own, environment / "lib" / "scribe_suite")
    hidden = hidden_from_programs([], [])
    assert hidden.whole == (own,)
    assert hidden.sealed == (own / "ground_truth", own / ".git")
    assert hidden.allows(environment)
