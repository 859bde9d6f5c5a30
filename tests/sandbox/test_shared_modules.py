"""Modules that kernels share."""

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.sandbox.shared_modules import SharedModule


@pytest.mark.parametrize("name", ["", "a b", "a.b", "1a", "class", "../a"])
def test_what_is_no_module_name_is_refused(name, tmp_path):
    with pytest.raises(ConfigurationError, match="can't be imported"):
        SharedModule(name, "", tmp_path)


def test_as_a_file_it_knows_its_folder(tmp_path):
    name, content = SharedModule("data", "x = FOLDER + '!'\n", tmp_path).file("/a 'folder'")
    assert name == "data.py"
    namespace: dict[str, str] = {}
    exec(content, namespace)
    assert namespace["x"] == "/a 'folder'!"
