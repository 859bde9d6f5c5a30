from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from pathlib import Path

import nbformat
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.journal import Journal
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.session_table import REST_S
from scribe_suite.sandbox.sandbox import Sandbox

from .agent import Agent, Answer, connected, journal_events, play


def test_resuming_after_a_death_runs_the_earlier_cells_again_but_not_the_one_that_killed_the_kernel(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer, str]:
        await agent.start(experiment_name="resumed")
        await agent.run("a = 1")
        await agent.call("add_markdown", session_id=agent.session_id, content="note")
        await agent.run("b = 1 / 0")
        await agent.run("open('kept.txt', 'w').write('kept')")
        await agent.run("import os; os._exit(1)")
        resumed = await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)
        value = await agent.run("a, loaded, open('kept.txt').read()")
        return resumed, value, await agent.call("list_cells", session_id=agent.session_id), agent.notebook_path

    resumed, value, cells, name = play(server, scenario, session=False)
    assert resumed.payload["restoration_summary"] == "3 cells run again, 1 with errors, 1 left out."
    assert resumed.payload["restoration_errors"] == ["cell 2: error ZeroDivisionError"]
    assert resumed.payload["restoration_skipped"] == ["cell 4: not run again, because it ended as 'died'"]
    assert value.output == "(1, '1 2 3\\n', 'kept')"
    assert [cell["type"] for cell in cells.payload["cells"]] == ["code", "code", "markdown", *["code"] * 4]
    kinds = [event["kind"] for event in journal_events(folder, name) if event["event"] == "cell_started"]
    assert kinds == ["setup", *["agent"] * 4, "setup", *["restored"] * 3, "agent"]


def test_continuing_copies_the_notebook_and_leaves_the_original_alone(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, str]:
        await agent.start(experiment_name="origin")
        await agent.run("a = 41\nprint('in the original')")
        before = (folder / "notebooks" / "origin.ipynb").read_bytes()
        first = agent.session_id
        continued = await agent.start("start_session_continue_notebook", notebook_path="origin.ipynb")
        value = await agent.run("a + 1")
        assert (folder / "notebooks" / "origin.ipynb").read_bytes() == before
        await agent.call("shutdown_session", session_id=first)
        return continued, value, agent.notebook_path

    continued, value, name = play(server, scenario, session=False)
    assert name == "origin_continued.ipynb"
    assert continued.payload["restoration_summary"].startswith("1 cells run again")
    assert value.output == "42"
    notebook = nbformat.read(folder / "notebooks" / name, 4)
    nbformat.validate(notebook)
    assert notebook.cells[1].outputs[0].text == "in the original\n"


def test_a_notebook_that_is_open_is_not_resumed_twice(server):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        return await agent.call("start_session_resume_notebook", notebook_path=agent.notebook_path), agent.session_id

    answer, session_id = play(server, scenario)
    assert f"is open in session {session_id}" in answer.error


@pytest.mark.parametrize(
    "path",
    ["missing.ipynb", "../secret.ipynb", "/etc/passwd", "link.ipynb", "", ".", "a/b.ipynb", "x\x00.ipynb", "é" * 300],
)
def test_only_notebooks_of_the_folder_can_be_opened_and_no_host_path_is_shown(server, folder, path):
    (folder / "secret.ipynb").write_text("{}")
    link = folder / "notebooks" / "link.ipynb"
    if not link.is_symlink():
        link.symlink_to(folder / "secret.ipynb")
    answer = play(server, lambda agent: agent.call("start_session_resume_notebook", notebook_path=path), session=False)
    assert "otebook" in answer.error
    assert str(folder) not in answer.text


def test_what_others_put_into_the_folder_is_neither_read_nor_written_to(server, folder):
    (folder / "secret.ipynb").write_text("{}")
    notebooks = folder / "notebooks"
    for name, plant in {"a": Path.symlink_to, "b": Path.hardlink_to, "c": lambda path, _: os.mkfifo(path)}.items():
        plant(notebooks / f"{name}.ipynb", folder / "secret.ipynb")
        nbformat.write(nbformat.v4.new_notebook(), notebooks / f"{name}_good.ipynb")
        plant(notebooks / f"{name}_good.journal.jsonl", folder / "secret.ipynb")

    async def scenario(agent: Agent) -> list[Answer]:
        names = [name + end for name in "abc" for end in ("", "_good")]
        return [await agent.call("start_session_resume_notebook", notebook_path=name) for name in names]

    for answer in play(server, scenario):
        assert answer.is_error
        assert str(folder) not in answer.text
    assert (folder / "secret.ipynb").read_text() == "{}"


def test_a_notebook_that_is_just_being_resumed_is_not_resumed_again(server):
    async def scenario(agent: Agent) -> list[Answer]:
        await agent.call("shutdown_session", session_id=agent.session_id)
        calls = (agent.call("start_session_resume_notebook", notebook_path=agent.notebook_path) for _ in range(2))
        answers = await asyncio.gather(*calls)
        agent.session_id = next(answer.payload["session_id"] for answer in answers if not answer.is_error)
        return list(answers)

    (refused,) = (answer for answer in play(server, scenario) if answer.is_error)
    assert "just being started" in refused.error


def test_a_notebook_over_its_size_goes_on_with_little_of_each_cell(tmp_path):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("print('x' * 50_000)")
        return await agent.run("print('y' * 50_000)")

    with NotebookServer(NotebookConfig(tmp_path, notebook_output_limit=20_000)) as server:
        assert play(server, scenario).payload["status"] == "ok"
    first, second = nbformat.read(tmp_path / "notebooks" / "notebook.ipynb", 4).cells
    assert 19_000 < len(first.outputs[0].text) < 21_000
    assert 1_900 < len(second.outputs[0].text) < 2_200


def test_a_notebook_from_elsewhere_is_resumed_without_a_journal(tmp_path):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    cells = [
        nbformat.v4.new_code_cell("a = 5  # HALF"),
        nbformat.v4.new_markdown_cell("text"),
        nbformat.v4.new_code_cell("a * 2"),
    ]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    (notebooks / "mine.ipynb").write_text(text.replace("HALF", "\\ud83d"))  # JSON can write half a character

    async def scenario(agent: Agent) -> Answer:
        await agent.start("start_session_resume_notebook", notebook_path="mine.ipynb")
        return await agent.run("a")

    with NotebookServer(NotebookConfig(tmp_path, setup_code="s = 1")) as server:
        assert play(server, scenario, session=False).output == "5"
    notebook = nbformat.read(notebooks / "mine.ipynb", 4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["s = 1", "a = 5  # \ufffd", "text", "a * 2", "a"]
    assert notebook.cells[3].outputs[0].data["text/plain"] == "10"


def test_a_later_server_takes_up_a_notebook_from_its_journal(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        play(server, lambda agent: agent.run("a = 'first server'"))

    async def scenario(agent: Agent) -> Answer:
        await agent.start("start_session_resume_notebook", notebook_path="notebook")
        return await agent.run("a")

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert play(server, scenario, session=False).output == "'first server'"
    assert [event["origin"] for event in journal_events(tmp_path, "notebook.ipynb") if "origin" in event] == [
        "new",
        "resumed",
    ]


def test_too_many_sessions_are_refused(server):
    async def scenario(agent: Agent) -> Answer:
        opened = [agent.session_id, *[(await agent.call("start_new_session")).payload["session_id"] for _ in range(3)]]
        refused = await agent.call("start_new_session")
        for session_id in opened[1:]:
            await agent.call("shutdown_session", session_id=session_id)
        return refused

    assert "4 sessions are open" in play(server, scenario).error


def test_sessions_asked_for_at_once_are_refused_beyond_the_limit_however_they_begin(tmp_path):
    async def scenario(agent: Agent) -> tuple[list[Answer], int, list[Answer]]:
        names = []
        for _ in range(3):
            await agent.start()
            await agent.run("import os; os._exit(0)")
            names.append(agent.notebook_path)
        calls = [agent.call("start_session_resume_notebook", notebook_path=name) for name in names]
        calls += [agent.call("start_session_continue_notebook", notebook_path=name) for name in names]
        calls += [agent.call("start_new_session") for _ in range(3)]
        answers = await asyncio.gather(*calls)
        count = server.status().sessions_open
        for answer in answers:
            if not answer.is_error:
                await agent.call("shutdown_session", session_id=answer.payload["session_id"])
        again = (agent.call("start_session_resume_notebook", notebook_path=names[0]) for _ in range(2))
        return answers, count, await asyncio.gather(*again)

    with NotebookServer(NotebookConfig(tmp_path, max_sessions=2)) as server:
        answers, count, again = play(server, scenario, session=False)
    assert [answer.is_error for answer in answers].count(False) == count == 2
    assert all("2 sessions are open" in answer.error for answer in answers if answer.is_error)
    assert [answer.is_error for answer in again].count(False) == 1


def test_sessions_ever_started_are_bounded_in_number(tmp_path):
    async def scenario(agent: Agent) -> list[Answer]:
        answers = [await agent.call("start_session_resume_notebook", notebook_path="missing") for _ in range(3)]
        for _ in range(2):
            answers.append(await agent.start())
            await agent.call("shutdown_session", session_id=agent.session_id)
        return [*answers, await agent.call("start_session_resume_notebook", notebook_path=agent.notebook_path)]

    with NotebookServer(NotebookConfig(tmp_path, max_sessions_ever=2)) as server:
        answers = play(server, scenario, session=False)
    assert [answer.is_error for answer in answers] == [True, True, True, False, False, True]
    assert "2 sessions have been started" in answers[-1].error


def open_journals() -> int:
    """Journals that this process has open."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(entry.readlink()))
    return sum(".journal.jsonl" in link for link in links)


def test_starts_that_fail_and_sessions_that_have_died_hold_no_journal_open(tmp_path, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario(agent: Agent) -> tuple[int, int, Answer]:
        with monkeypatch.context() as patch:
            patch.setattr(Sandbox, "private_folders", full)
            for tool in ("start_new_session", "start_session_continue_notebook"):
                arguments = {"notebook_path": agent.notebook_path} if "continue" in tool else {}
                assert (await agent.call(tool, **arguments)).is_error
        (tmp_path / "notebooks" / "broken.ipynb").write_text("not json")
        assert (await agent.call("start_session_resume_notebook", notebook_path="broken")).is_error
        alive = open_journals() - before
        await agent.run("import os; os._exit(0)")
        await asyncio.sleep(REST_S + 0.5)
        dead = open_journals() - before
        return alive, dead, await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)

    before = open_journals()
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        alive, dead, resumed = play(server, scenario)
    assert (alive, dead) == (1, 0)
    assert not resumed.is_error


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("raise ValueError('no data')", "ValueError: no data"),
        ("import os; os._exit(9)", "The kernel died in the setup cell"),
    ],
)
def test_a_setup_cell_that_fails_is_the_infrastructure_s_failure(tmp_path, setup, said):
    with NotebookServer(NotebookConfig(tmp_path, setup_code=setup)) as server:
        answer = play(server, lambda agent: agent.start(), session=False)
        assert said in answer.error
        status = server.status()
    assert status.infrastructure_cause == "setup_cell"
    assert said in (status.infrastructure_error or "")
    assert (status.kernel_deaths, status.sessions_open) == (0, 0)


def test_the_setup_cell_may_take_longer_than_the_agent_s_cells(tmp_path):
    config = NotebookConfig(tmp_path, setup_code="import time; time.sleep(1)", cell_timeout_s=0.3)

    async def scenario(agent: Agent) -> Answer:
        return await agent.run("time.sleep(20)")

    with NotebookServer(config) as server:
        assert play(server, scenario).payload["status"] == "timeout"
        assert server.status().infrastructure_error is None


def test_a_setup_cell_that_runs_out_of_time_is_said_to_have(tmp_path):
    config = NotebookConfig(tmp_path, setup_code="import time; time.sleep(60)", cell_timeout_s=0.1, start_timeout_s=4)
    with NotebookServer(config) as server:
        answer = play(server, lambda agent: agent.start(), session=False)
        assert server.status().infrastructure_cause == "setup_cell"
    assert "The setup cell ran out of time: it had not ended after 4 seconds." in answer.error


def test_an_agent_that_spoils_its_working_folder_cannot_pass_that_off_as_the_infrastructure_s_failure(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("import os; os.remove('data/points.txt'); os._exit(1)")
        resumed = await agent.call("start_session_resume_notebook", notebook_path=agent.notebook_path)
        continued = await agent.start("start_session_continue_notebook", notebook_path=agent.notebook_path)
        return resumed, continued

    resumed, continued = play(server, scenario)
    assert "FileNotFoundError" in resumed.error
    assert "start_session_continue_notebook" in resumed.error
    assert not continued.is_error
    assert server.status().infrastructure_error is None


@pytest.mark.parametrize(
    ("owner", "method"), [(Sandbox, "private_folders"), (Sandbox, "work_folder"), (Journal, "append")]
)
def test_a_disk_that_an_agent_has_filled_is_a_tool_error_and_costs_nothing_later(server, monkeypatch, owner, method):
    """Making the folders of a kernel or of a notebook fails, or beginning its journal."""

    def full(*_arguments: object, **_fields: object) -> None:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/host/path")
        raise InfrastructureError("journal_write", str(error)) if owner is Journal else error

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        before = server.status().sessions_open
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, full)
            refused = await agent.call("start_new_session", experiment_name="full")
        assert server.status().sessions_open == before
        later = await agent.call("start_new_session", experiment_name="full")
        await agent.call("shutdown_session", session_id=later.payload["session_id"])
        return refused, later

    refused, later = play(server, scenario)
    assert ("journal_write" if owner is Journal else "No space left on device") in refused.error
    assert "/host/path" not in refused.error
    assert not later.is_error
    assert server.status().infrastructure_error is None


def test_a_full_disk_before_the_agent_had_a_kernel_is_the_infrastructure_s_failure(tmp_path, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Sandbox, "private_folders", full)
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert "not your doing" in play(server, lambda agent: agent.start(), session=False).error
        assert server.status().infrastructure_cause == "notebook_internal"


def test_a_kernel_that_does_not_come_up_is_the_infrastructure_s_failure(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path, start_timeout_s=0.05)) as server:
        answer = play(server, lambda agent: agent.start(), session=False)
        status = server.status()
    assert "kernel_start" in answer.error
    assert str(tmp_path) not in answer.text
    assert status.infrastructure_cause == "kernel_start"


def test_names_of_experiments_become_file_names(server):
    async def scenario(agent: Agent) -> list[str]:
        names = []
        for experiment in ("../../Köln & co", "../../Köln & co", "..."):
            answer = await agent.call("start_new_session", experiment_name=experiment)
            names.append(answer.payload["notebook_path"])
            await agent.call("shutdown_session", session_id=answer.payload["session_id"])
        return names

    first, second, third = play(server, scenario, session=False)
    assert (first, second) == ("K_ln_co.ipynb", "K_ln_co_2.ipynb")
    assert third.startswith("notebook")


def test_closing_the_server_while_a_cell_runs_and_a_kernel_starts_ends_both(tmp_path):
    async def scenario(agent: Agent) -> float:
        started = await agent.start()
        assert not started.is_error
        running = asyncio.create_task(agent.run("print('begun', flush=True)\nimport time; time.sleep(60)"))
        async with connected(server.endpoint.pump_argv) as other:
            starting = asyncio.create_task(other.call("start_new_session"))
            await asyncio.sleep(0.4)
            begin = time.monotonic()
            await asyncio.to_thread(server.close)
            seconds = time.monotonic() - begin
            for task in (running, starting):
                task.cancel()
            await asyncio.gather(running, starting, return_exceptions=True)
        return seconds

    server = NotebookServer(NotebookConfig(tmp_path))
    server.start()
    runtime = server.endpoint.socket_path.parent

    async def run() -> float:
        async with connected(server.endpoint.pump_argv) as agent:
            return await scenario(agent)

    assert asyncio.run(run()) < 10
    assert not runtime.exists()
    assert server.status().sessions_open == 0
    assert server.status().kernel_deaths == 0
    cell = nbformat.read(tmp_path / "notebooks" / "notebook.ipynb", 4).cells[0]
    assert cell.outputs[0].text == "begun\n"
    assert cell.metadata.scribe.status == "interrupted"
