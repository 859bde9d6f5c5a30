import pytest

from scribe_suite import paths
from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import ROOT_VARIABLE, find_part, private_folders, shipped_root, suite_root, within_suite


def suite(folder):
    for name in ("ground_truth", "prompts"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as a wheel installs it; gives its folder."""
    package = tmp_path.resolve() / "site-packages" / "scribe_suite"
    suite(package / paths.SHIPPED)
    monkeypatch.setattr(paths, "_PACKAGE", package)
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return package


def test_the_variable_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(suite(tmp_path / "named")))
    monkeypatch.chdir(suite(tmp_path / "here"))
    assert suite_root() == tmp_path / "named"


def test_a_folder_inside_a_suite_finds_it(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    inside = suite(tmp_path) / "benchmarks" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert suite_root() == tmp_path


def test_elsewhere_the_checkout_of_the_installation_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert (suite_root() / "ground_truth" / "circuits" / "mlp_only.py").is_file()


def test_a_variable_that_names_no_suite_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"SCRIBE_SUITE_ROOT names .* point it at a checkout"):
        suite_root()


def test_an_installed_package_has_its_suite_inside_and_hides_all_of_itself(installed):
    assert suite_root() == shipped_root() == installed / "suite"
    assert private_folders() == (installed,)


def test_a_package_in_an_environment_within_the_suite_is_hidden_too(installed, tmp_path, monkeypatch):
    own = suite(tmp_path.resolve() / "own")
    monkeypatch.setenv(ROOT_VARIABLE, str(own))
    monkeypatch.setattr(paths, "_PACKAGE", own / ".venv" / "lib" / "scribe_suite")
    suite(own / ".venv" / "lib" / "scribe_suite" / "suite")
    assert private_folders() == (own, own / ".venv" / "lib" / "scribe_suite")


def test_parts_have_the_same_names_wherever_the_package_lies(tmp_path, monkeypatch):
    own = suite(tmp_path.resolve() / "own")
    package = own / ".venv" / "lib" / "scribe_suite"
    monkeypatch.setattr(paths, "_PACKAGE", package)
    (suite(package / "suite") / "prompts" / "preamble.md").touch()
    preamble = find_part(own, "prompts", "preamble.md")
    assert within_suite(own, preamble).as_posix() == "prompts/preamble.md"
    assert within_suite(own, own / "prompts" / "mine.md").as_posix() == "prompts/mine.md"


def test_a_package_without_tasks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "src" / "scribe_suite")
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="has no tasks: install it from a wheel or a checkout"):
        suite_root()


def test_a_suite_of_ones_own_comes_before_the_one_of_the_package(installed, tmp_path):
    own = suite(tmp_path / "own")
    (installed / "suite" / "prompts" / "preamble.md").write_text("ours")
    assert find_part(own, "prompts", "preamble.md") == installed / "suite" / "prompts" / "preamble.md"
    (own / "prompts" / "preamble.md").write_text("theirs")
    assert find_part(own, "prompts", "preamble.md") == own / "prompts" / "preamble.md"
    assert find_part(own, "prompts", "none.md") == own / "prompts" / "none.md"
