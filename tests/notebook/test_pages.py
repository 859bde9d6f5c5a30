"""What a cell leaves for the front end to show is shown."""

from __future__ import annotations

import pytest

from scribe_suite.notebook.pages import MAX_PAGES, pages

from .agent import play

SHOWN = {
    "help": ("len?", "Return the number of items in a container."),
    "source": ("def f(a):\n    'Doc of f.'\n    return a\nget_ipython().run_line_magic('pinfo2', 'f')", "return a"),
    "source with marks": ("f??", "return a"),
    "search": ("*Warning?", "DeprecationWarning"),
    "load": ("open('own.py', 'w').write('loaded = 1')\n%load own.py", "loaded = 1"),
    "page": ("words = 'to be shown'\n%page words", "to be shown"),
    "recall": ("%recall 1", "ready"),
    "docstring": ("%pdoc len", "number of items"),
    "file": ("%pycat own.py", "loaded = 1"),
    "pager": ("%less own.py", "loaded = 1"),
    "editor": ("%edit own.py", "own.py"),
    "card": ("%quickref", "Quick Reference Card"),
    "before an error": ("get_ipython().run_line_magic('pinfo', 'len')\n1 / 0", "Return the number of items"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_pages_are_shown(server, shared, name):
    code, expected = SHOWN[name]
    assert expected in play(server, lambda agent: agent.run(code), session_id=shared).output


def test_pages_that_make_no_sense_are_ignored():
    for payload in (
        None,
        5,
        {},
        [None, 5, {}, {"source": "page"}, {"source": "page", "data": 7}, {"source": ["page"]}],
    ):
        assert pages({"payload": payload}) == []
    assert pages({}) == []
    assert len(pages({"payload": [{"source": "set_next_input", "text": "x"}] * 10 * MAX_PAGES})) == MAX_PAGES
