from __future__ import annotations

from typing import Any

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.notebook.config import NotebookConfig


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"isolation": "maximal"}, "Isolation 'maximal' does not exist"),
        ({"cell_timeout_s": 0}, "cell_timeout_s is 0"),
        ({"start_timeout_s": float("nan")}, "start_timeout_s is nan"),
        ({"files": {"../x": b""}}, "'../x' must be a relative path"),
        ({"files": {"/x": b""}}, "'/x' must be a relative path"),
        ({"files": {"": b""}}, "must be a relative path"),
        ({"services": {9: None}}, "use a number from 10 to 31"),
        ({"services": {32: None}}, "use a number from 10 to 31"),
    ],
)
def test_what_could_only_fail_later_is_refused(tmp_path, options: dict[str, Any], said):
    with pytest.raises(ConfigurationError, match=said):
        NotebookConfig(tmp_path, **options)


def test_notebooks_lie_in_a_folder_of_their_own(tmp_path):
    assert NotebookConfig(tmp_path).notebooks == tmp_path / "notebooks"
