"""When modules of the working folder can be imported."""

from __future__ import annotations

import sys

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.inside.folder import add_to_path
from scribe_suite.notebook.server import NotebookServer

from ..agent import Agent, Answer, play
from .conftest import Run


def test_a_module_that_was_written_can_be_imported_here_and_in_other_processes(run: Run):
    run("%%writefile helpers.py\nimport os\ndef g(): return 'helped'")
    run("%%writefile script.py\nimport helpers\nprint(helpers.g())")
    assert run("import helpers\nhelpers.g()").output == "'helped'"
    assert run("import os, sys\nos.system(f'{sys.executable} script.py');").output == "helped"
    assert run("!python -m script").output == "helped"
    assert run("%run script.py").output == "helped"


def test_the_folder_stands_behind_the_standard_library(run: Run):
    run("%%writefile colorsys.py\nraise RuntimeError('taken from the working folder')")
    assert run("import colorsys\nprint('Lib')").output == "Lib"
    run("import os\nos.remove('colorsys.py')")


#: Modules that a kernel imports at its start, or late; standard library, installed, and of its set-up cell.
TAKEN = (
    "json",
    "zmq",
    "ipykernel",
    "IPython",
    "jedi",
    "comm",
    "PIL",
    "pexpect",
    "debugpy",
    "setup_needs",
    "sitecustomize",
)


def test_nothing_at_the_start_comes_from_the_working_folder(tmp_path):
    setup = "import importlib.util\nprint('found', importlib.util.find_spec('setup_needs'))"
    write = f"for name in {TAKEN!r}: open(name + '.py', 'w').write('open(\"taken\", \"a\").write(__name__)')"

    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer]:
        await agent.run(write)
        await agent.call("shutdown_session", session_id=agent.session_id)
        resumed = await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)
        taken = await agent.run("import os\nos.path.exists('taken')")
        return resumed, taken, await agent.run("import setup_needs\nopen('taken').read()")

    with NotebookServer(NotebookConfig(tmp_path, setup_code=setup)) as server:
        resumed, taken, own = play(server, scenario)
        assert server.status().infrastructure_error is None
    assert not resumed.is_error
    assert "found None" in (tmp_path / "notebooks").joinpath("notebook.ipynb").read_text()
    assert (taken.output, own.output) == ("False", "'setup_needs'")


def test_where_nothing_is_installed_the_folder_comes_first(monkeypatch):
    for path, expected in {
        ("/lib", "/lib/site-packages"): ["/lib", "", "/lib/site-packages"],
        ("/lib",): ["", "/lib"],
        ("", "/lib"): ["", "/lib"],
    }.items():
        monkeypatch.setattr(sys, "path", list(path))
        add_to_path()
        assert sys.path == expected
