from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import nbformat
import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.tools import MAX_OPEN_CALLS, TOOLS, describe_tools

from .agent import Agent, Answer, play
from .raw import LIST, Raw

GOODFIRE_ARGUMENTS = {
    "start_new_session": {"experiment_name"},
    "start_session_resume_notebook": {"notebook_path"},
    "start_session_continue_notebook": {"notebook_path", "experiment_name"},
    "execute_code": {"session_id", "code"},
    "add_markdown": {"session_id", "content"},
    "edit_cell": {"session_id", "code", "cell_index"},
    "shutdown_session": {"session_id"},
}


def test_tools_have_the_names_and_arguments_of_goodfire_scribe():
    described = {tool.name: set(tool.input_schema["properties"]) for tool in describe_tools()}
    assert GOODFIRE_ARGUMENTS.items() <= described.items()
    assert described.keys() - GOODFIRE_ARGUMENTS.keys() == {"interrupt", "list_cells", "submit_answer"}


def test_every_tool_and_argument_is_explained():
    for tool in describe_tools():
        assert len(tool.description or "") > 50
        assert "\n    " not in (tool.description or "")
        assert all("description" in schema for schema in tool.input_schema["properties"].values())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"session_id": None},
        {"session_id": 5, "code": 5},
        {"session_id": "nope", "code": "1", "content": "x", "notebook_path": "nope", "cell_index": 10**30},
        {"session_id": ["s1"], "code": {"a": 1}, "notebook_path": {}, "experiment_name": 5},
        {"notebook_path": "../../x", "session_id": "s1\n", "code": "", "experiment_name": []},
    ],
)
def test_no_arguments_break_the_server(server, arguments: dict[str, Any]):
    async def scenario(agent: Agent) -> list[Answer]:
        fitting = {"start_new_session"} if "experiment_name" not in arguments else set()
        return [await agent.call(tool, **arguments) for tool in TOOLS if tool not in fitting]

    for answer in play(server, scenario, session=False):
        assert len(answer.error) < 2000
    assert server.status().infrastructure_error is None


def test_a_missing_argument_is_named(server):
    answer = play(server, lambda agent: agent.call("execute_code", session_id="s1"), session=False)
    assert "code: Field required" in answer.error


def test_an_unknown_session_is_answered_with_those_that_exist(server, shared):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        return await agent.call("execute_code", session_id="typo", code="1"), agent.session_id

    answer, session_id = play(server, scenario, session_id=shared)
    assert f"open sessions: {session_id}" in answer.error


@pytest.mark.parametrize(
    "code",
    [
        "print('y' * 2_000_000)",
        "for n in range(40_000): print(f'{n:05d}', 'z' * 43)",
        "import sys\nsys.stdout.write('start' + '\\n' * 200_000 + 'end')",
        "raise ValueError('m' * 500_000)",
        "'v' * 500_000",
        "from IPython.display import display\nfor n in range(300): display('d' * 1000)",
    ],
    ids=["one print", "many lines", "newlines", "message", "value", "displays"],
)
def test_text_to_the_agent_stays_below_its_cap(server, shared, code):
    answer = play(server, lambda agent: agent.run(code), session_id=shared)
    assert not answer.is_error
    assert 5_000 < len(answer.text) < 40_000
    assert "left out" in answer.text


def test_the_notebook_keeps_more_than_the_agent_sees(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        return await agent.run("for n in range(10_000): print(f'{n:05d}', 'z' * 43)"), agent.notebook_path

    answer, name = play(server, scenario)
    assert answer.output.startswith("00000 zzz")
    assert answer.output.endswith("z")
    (output,) = nbformat.read(folder / "notebooks" / name, 4).cells[1].outputs
    assert output.text.count("\n") == 10_000


def test_results_carry_goodfire_s_keys(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer]:
        run = await agent.run("1")
        edit = await agent.call("edit_cell", session_id=agent.session_id, code="2", cell_index=-1)
        markdown = await agent.call("add_markdown", session_id=agent.session_id, content="x")
        return run, edit, markdown

    run, edit, markdown = play(server, scenario)
    assert {"session_id", "execution_count", "outputs"} <= run.payload.keys()
    assert {"session_id", "cell_index", "actual_notebook_index", "execution_count", "outputs"} <= edit.payload.keys()
    assert markdown.payload == {"cell_number": 2}


def test_list_cells_shows_source_status_and_the_beginning_of_the_output(server):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("print('x' * 10_000)")
        await agent.call("add_markdown", session_id=agent.session_id, content="# Title")
        await agent.run("1 / 0")
        return await agent.call("list_cells", session_id=agent.session_id)

    answer = play(server, scenario)
    assert len(answer.text) < 5_000
    _setup, printed, markdown, failed = answer.payload["cells"]
    assert (printed["cell_index"], printed["status"], printed["code"]) == (1, "ok", "print('x' * 10_000)")
    assert printed["output_cut"]
    assert "output_cut" not in failed
    assert "[... 9,501 characters left out ...]" in answer.text
    assert f'list_cells(session_id="{answer.payload["session_id"]}", cell_index=N, page=1)' in answer.text
    assert markdown == {"type": "markdown", "content": "# Title"}
    assert (failed["cell_index"], failed["status"], failed["output"]) == (
        2,
        "error",
        "ZeroDivisionError: division by zero",
    )


def test_what_a_result_leaves_out_is_read_again_in_pages(server):
    async def scenario(agent: Agent) -> tuple[Answer, list[Answer], Answer]:
        code = "for n in range(10_000): print(f'<{n}>')\n1 / 0"
        result = await agent.run(code)
        await agent.run("2")
        page = {"session_id": agent.session_id, "cell_index": 1}
        pages = [await agent.call("list_cells", **page)]
        count = pages[0].payload["pages"]
        pages += [await agent.call("list_cells", **page, page=number) for number in range(2, count + 1)]
        return result, pages, await agent.call("list_cells", **page, page=count + 1)

    result, pages, beyond = play(server, scenario)
    assert "left out" in result.text
    assert f'list_cells(session_id="{result.payload["session_id"]}", cell_index=1, page=1)' in result.text
    assert len(pages) == 2
    assert all(len(page.text) < 40_000 for page in pages)
    assert pages[0].text.startswith("cell_index 1, execution_count 2: error; page 1 of 2\n--- code\nfor n in")
    assert "page=2" in pages[0].text.splitlines()[-1]
    content = "\n".join(page.payload["content"] for page in pages)
    assert [f"<{n}>" for n in range(10_000)] == [line for line in content.splitlines() if line.startswith("<")]
    assert content.endswith("ZeroDivisionError: division by zero")
    assert "no page 3" in beyond.error


def test_the_text_of_a_reply_is_what_jupyter_shows_under_a_line_that_names_the_run(server, shared):
    async def scenario(agent: Agent) -> list[Any]:
        code = "print('a\\n\\t\"b\"')\n{'λ': 1}"
        plain = await agent.client.call_tool("execute_code", {"session_id": agent.session_id, "code": code})
        return [plain, await agent.run(code)]

    plain, asked = play(server, scenario, session_id=shared)
    assert plain.structured_content is None
    head, *lines = plain.content[0].text.split("\n")
    assert re.fullmatch(r"cell_index \d+, execution_count \d+: ok, \d+\.\d\d s", head)
    assert lines == ["a", '\t"b"', "{'λ': 1}"]
    assert asked.payload["outputs"][0] == {"type": "text", "content": 'a\n\t"b"'}


def test_list_cells_answers_while_a_cell_runs(server):
    async def scenario(agent: Agent) -> Answer:
        running = asyncio.create_task(agent.run("print('so far', flush=True)\nimport time; time.sleep(3)"))
        await asyncio.sleep(1.2)
        cells = await agent.call("list_cells", session_id=agent.session_id)
        await agent.call("interrupt", session_id=agent.session_id)
        await running
        return cells

    cell = play(server, scenario).payload["cells"][1]
    assert (cell["status"], cell["output"]) == ("running", "so far")


def test_a_session_that_was_shut_down_is_gone_and_its_notebook_stays(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        first = agent.session_id
        await agent.call("shutdown_session", session_id=first)
        agent.session_id = ""
        return await agent.call("execute_code", session_id=first, code="1"), agent.notebook_path

    answer, name = play(server, scenario)
    assert "There is no session" in answer.error
    assert (folder / "notebooks" / name).exists()


def test_status_tells_that_somebody_asked_for_the_tools(server):
    before = server.status().tools_listed
    with Raw(server) as client:
        assert server.status().tools_listed == before
        client.send(LIST)
        assert client.receive()["result"]["tools"]
    assert server.status().tools_listed == before + 1


def test_status_counts_what_happened(server):
    before = server.status()

    async def scenario(agent: Agent) -> None:
        await agent.run("1")
        await agent.run("2")
        await agent.call("execute_code", session_id="nope", code="1")

    play(server, scenario)
    after = server.status()
    calls = {tool: number - before.actions.get(tool, 0) for tool, number in after.actions.items()}
    assert {tool: number for tool, number in calls.items() if number} == {
        "start_new_session": 1, "execute_code": 3, "shutdown_session": 1,
    }  # fmt: skip
    assert after.cells_run - before.cells_run == 2
    assert after.tool_calls - before.tool_calls == 5
    assert after.tool_errors - before.tool_errors == 1
    assert after.sessions_started - before.sessions_started == 1
    assert after.sessions_open == before.sessions_open
    assert after.infrastructure_error is None


def test_status_tells_an_answer_that_could_not_be_read_and_what_sessions_cost(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert server.status().submission_error is None
        assert server.status().session_start_s == 0

        async def scenario(agent: Agent) -> Answer:
            await agent.run("answer = {'text': 'x' * 50_000_000}")
            return await agent.submit()

        answer = play(server, scenario)
        status = server.status()
    assert answer.is_error
    assert status.submissions == 0
    assert status.submission_error is not None
    assert "bytes of JSON" in status.submission_error
    assert 0 < status.session_start_s < status.uptime_s


def test_no_host_path_is_shown_to_an_agent(server, folder):
    async def scenario(agent: Agent) -> list[Answer]:
        return [
            await agent.call("list_cells", session_id=agent.session_id),
            await agent.run("import os; os.getcwd(), __file__ if '__file__' in globals() else None"),
            await agent.call("start_session_continue_notebook", notebook_path="nope"),
        ]

    if server.status().isolation != "namespaces":
        pytest.skip("without isolation a kernel sees the host's paths")
    seen = json.dumps([answer.text for answer in play(server, scenario)])
    assert str(folder) not in seen
    assert str(server.endpoint.socket_path.parent) not in seen


def test_calls_beyond_the_limit_are_refused_at_once_and_an_interrupt_works_all_the_same(tmp_path):
    async def scenario(agent: Agent) -> tuple[list[Answer], Answer, Answer]:
        running = asyncio.create_task(agent.run("import time; time.sleep(60)"))
        while not server.status().calls_open:
            await asyncio.sleep(0.02)
        waiting = [asyncio.create_task(agent.run("1 + 1")) for _ in range(MAX_OPEN_CALLS - 1)]
        while server.status().calls_open < MAX_OPEN_CALLS:
            await asyncio.sleep(0.02)
        # one that its client has given up on still waits, with its code
        waiting.pop().cancel()
        await asyncio.sleep(0.2)
        refused = [await agent.run("too much") for _ in range(3)]
        interrupted = await agent.call("interrupt", session_id=agent.session_id)
        assert (await running).payload["status"] == "interrupted"
        assert all(answer.output == "2" for answer in await asyncio.gather(*waiting))
        return refused, interrupted, await agent.run("3 + 3")

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        refused, interrupted, after = play(server, scenario)
    assert all("32 calls are open" in answer.error for answer in refused)
    assert "was interrupted" in interrupted.payload["message"]
    assert after.output == "6"
