"""Seeds whose instances are public are refused by runs."""

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.burnt_seeds import DATA_VARIABLE, NAME, burn, places, require_not_burnt
from scribe_suite.sweeps.plan import make_plan
from tests.sweeps.plans import spec


@pytest.fixture
def user(tmp_path, monkeypatch):
    """The user's data folder."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_burnt_seed_is_refused_with_any_results_folder_of_the_user(user, tmp_path):
    require_not_burnt(41, tmp_path / "runs")
    files = burn(41, "circuits/ioi", 3, "export-task to out", tmp_path / "runs")
    assert files == (user / NAME, tmp_path / "runs" / NAME)
    with pytest.raises(ConfigurationError, match=r"The seed 41 is burnt: instances of circuits/ioi .*export-task"):
        require_not_burnt(41, tmp_path / "other")
    require_not_burnt(42, tmp_path / "runs")


def test_who_shares_the_results_folder_is_refused_too(user, tmp_path, monkeypatch):
    burn(41, "circuits/ioi", 3, "export-task to out", tmp_path / "runs")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "somebody-else"))
    with pytest.raises(ConfigurationError, match="is burnt"):
        require_not_burnt(41, tmp_path / "runs")
    require_not_burnt(41, tmp_path / "other")


def test_the_file_is_not_taken_for_a_ledger(tmp_path):
    assert not any(path.name.endswith(".jsonl") for path in places(tmp_path))


def test_a_damaged_list_is_an_error_and_not_an_empty_one(user, tmp_path):
    user.mkdir()
    (user / NAME).write_text('{"seed": 41}\n')
    with pytest.raises(ConfigurationError, match=r"Line 1 of .* is not a burnt seed"):
        require_not_burnt(41, tmp_path)
    (user / NAME).write_bytes(b"\xff\n")
    with pytest.raises(ConfigurationError, match="can't be read"):
        require_not_burnt(41, tmp_path)


def test_a_seed_that_can_t_be_marked_is_not_published(user, tmp_path):
    user.write_text("a file in the way")
    with pytest.raises(ConfigurationError, match="so nothing was exported"):
        burn(41, "circuits/ioi", 3, "export-task", tmp_path / "runs")


def test_no_sweep_is_planned_with_a_burnt_seed(user, tmp_path):
    burn(41, "circuits/ioi", 3, "export-task to out", tmp_path / "runs")
    with pytest.raises(ConfigurationError, match="The seed 41 is burnt"):
        make_plan(spec(seed=41), tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()
