import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import ROOT_VARIABLE, suite_root


def checkout(folder):
    for name in ("ground_truth", "prompts"):
        (folder / name).mkdir(parents=True)
    return folder


def test_the_variable_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(checkout(tmp_path / "named")))
    monkeypatch.chdir(checkout(tmp_path / "here"))
    assert suite_root() == tmp_path / "named"


def test_a_folder_inside_a_checkout_finds_it(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    inside = checkout(tmp_path) / "benchmarks" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert suite_root() == tmp_path


def test_elsewhere_the_checkout_of_the_installation_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert (suite_root() / "ground_truth" / "circuits" / "mlp_only.py").is_file()


def test_a_variable_that_names_no_checkout_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"SCRIBE_SUITE_ROOT names .* point it at a checkout"):
        suite_root()
