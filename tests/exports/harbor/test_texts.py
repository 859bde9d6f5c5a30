"""Configurations as TOML."""

import tomllib

from scribe_suite.exports.harbor.texts import toml


def test_what_is_written_is_read_back():
    value = {
        "version": "1.4",
        "paths": ["/a", "/b"],
        "empty": [],
        "task": {"name": 'with "quotes", \\ and a\nline', "level": 3, "seconds": 1800.0, "on": True},
        "outer": {"plain": 1, "servers": [{"name": "one", "args": []}, {"name": "two", "args": ["x"]}], "in": {"x": 2}},
    }
    assert tomllib.loads(toml(value)) == value
