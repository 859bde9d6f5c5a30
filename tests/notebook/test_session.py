from __future__ import annotations

import asyncio
import io

import nbformat
import pytest
from PIL import Image

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, Answer, connected, journal_events, play
from .raw import Raw


def test_a_cell_returns_its_text_and_the_value_of_its_last_expression(server, shared):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("x = 20")
        return await agent.run("print('hello')\nx + 1")

    payload = play(server, scenario, session_id=shared).payload
    assert payload["status"] == "ok"
    assert payload["outputs"] == [{"type": "text", "content": "hello"}, {"type": "result", "content": "21"}]


def test_the_setup_cell_is_cell_zero_and_has_run_with_the_files_in_place(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        return await agent.run("loaded"), await agent.call("list_cells", session_id=agent.session_id)

    value, cells = play(server, scenario)
    assert value.output == "'1 2 3\\n'"
    first = cells.payload["cells"][0]
    assert first["setup"]
    assert first["output"] == "ready"


def test_the_setup_cell_cannot_be_edited(server):
    async def scenario(agent: Agent) -> Answer:
        return await agent.call("edit_cell", session_id=agent.session_id, code="1", cell_index=0)

    assert "setup cell" in play(server, scenario).error


def test_an_exception_is_a_result_with_a_traceback_free_of_terminal_codes(server, shared):
    async def scenario(agent: Agent) -> Answer:
        return await agent.run("def f():\n    return 1 / 0\nprint('\\x1b[31mred\\x1b[0m')\nf()")

    answer = play(server, scenario, session_id=shared)
    assert not answer.is_error
    assert answer.payload["status"] == "error"
    text, error = answer.payload["outputs"]
    assert text["content"] == "red"
    assert (error["name"], error["message"]) == ("ZeroDivisionError", "division by zero")
    assert any("return 1 / 0" in line for line in error["traceback"])
    assert "\\u001b" not in answer.text
    assert "\x1b" not in answer.text


def test_a_figure_arrives_as_a_png_of_at_most_1024_pixels(server, shared):
    async def scenario(agent: Agent) -> Answer:
        return await agent.run(
            "import matplotlib.pyplot as plt\nplt.figure(figsize=(30, 10), dpi=100)\nplt.plot([1, 2])\nplt.show()"
        )

    answer = play(server, scenario, session_id=shared)
    (data,) = answer.images
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        assert max(image.size) == 1024
    assert answer.payload["outputs"][0]["type"] == "image"


def test_an_edited_cell_keeps_its_history_in_the_journal_and_only_its_last_state_in_the_notebook(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        await agent.run("print('before')")
        answer = await agent.call("edit_cell", session_id=agent.session_id, code="print('after')")
        return answer, agent.notebook_path

    answer, name = play(server, scenario)
    assert answer.payload["cell_index"] == 1
    assert answer.output == "after"
    events = [event for event in journal_events(folder, name) if event.get("cell") == "cell-1"]
    assert [event["code"] for event in events if event["event"] == "cell_started"] == [
        "print('before')",
        "print('after')",
    ]
    texts = [event["output"]["text"] for event in events if event["event"] == "output"]
    assert texts == ["before\n", "after\n"]
    cell = nbformat.read(folder / "notebooks" / name, 4).cells[1]
    assert (cell.source, cell.outputs[0].text) == ("print('after')", "after\n")


def test_markdown_and_code_are_a_valid_notebook_in_order(server, folder):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        added = await agent.call("add_markdown", session_id=agent.session_id, content="# Finding λ")
        await agent.run("1 + 1")
        await agent.run("1 / 0")
        return added, agent.notebook_path

    added, name = play(server, scenario)
    assert added.payload == {"cell_number": 1}
    notebook = nbformat.read(folder / "notebooks" / name, 4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown", "code", "code"]
    assert notebook.cells[1].source == "# Finding λ"
    assert notebook.cells[2].outputs[0].execution_count == notebook.cells[2].execution_count == 2


@pytest.mark.parametrize("index", [5, -3])
def test_editing_a_cell_that_does_not_exist_says_which_do(server, index):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("1")
        return await agent.call("edit_cell", session_id=agent.session_id, code="2", cell_index=index)

    assert "there are 2 code cells" in play(server, scenario).error


def test_two_sessions_run_side_by_side_and_share_nothing(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        first = agent.session_id
        second = (await agent.call("start_new_session")).payload["session_id"]
        meet = "import time, os\nbegin = time.time()\ntime.sleep(1)\nprint(begin, time.time())"
        results = await asyncio.gather(
            *(
                agent.call("execute_code", session_id=session, code=f"who = {session!r}\n{meet}")
                for session in (first, second)
            )
        )
        value = await agent.call("execute_code", session_id=second, code="who")
        await agent.call("shutdown_session", session_id=second)
        assert value.output == f"'{second}'"
        return results[0], results[1]

    spans = [tuple(map(float, answer.output.split())) for answer in play(server, scenario)]
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)


def test_calls_of_one_session_queue_up_in_order(server, shared):
    async def scenario(agent: Agent) -> list[Answer]:
        await agent.run("seen = []")
        await asyncio.gather(*(agent.run(f"import time; time.sleep(0.05); seen.append({n})") for n in range(5)))
        return [await agent.run("seen == sorted(seen), len(seen)")]

    assert play(server, scenario, session_id=shared)[0].output == "(True, 5)"


def test_interrupt_stops_a_running_cell_from_another_connection_and_the_session_lives_on(server, shared):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer]:
        await agent.run("kept = 7")
        running = asyncio.create_task(agent.run("import time\nprint('in')\nwhile True:\n    time.sleep(0.01)"))
        await asyncio.sleep(0.5)
        async with connected(server.endpoint.pump_argv) as other:
            interrupted = await other.call("interrupt", session_id=agent.session_id)
        return await running, interrupted, await agent.run("kept")

    stopped, interrupted, after = play(server, scenario, session_id=shared)
    assert stopped.payload["status"] == "interrupted"
    assert stopped.payload["outputs"][1]["name"] == "KeyboardInterrupt"
    assert "was interrupted" in interrupted.payload["message"]
    assert after.output == "7"


def test_interrupt_without_a_running_cell_says_so(server, shared):
    async def scenario(agent: Agent) -> Answer:
        return await agent.call("interrupt", session_id=agent.session_id)

    assert play(server, scenario, session_id=shared).payload["message"] == "Nothing was running."


def test_a_client_that_goes_away_does_not_lose_the_cell(server, folder):
    async def scenario(agent: Agent) -> Answer:
        with Raw(server) as other:
            code = "import time\ntime.sleep(1)\nprint('finished')"
            other.call(1, "execute_code", {"session_id": agent.session_id, "code": code})
            await asyncio.sleep(0.3)
        after = await agent.run("1")  # queues behind the cell
        assert "cell_index 1 ended with status ok" in after.text
        return await agent.call("list_cells", session_id=agent.session_id)

    cell = play(server, scenario).payload["cells"][1]
    assert (cell["status"], cell["output"]) == ("ok", "finished")


def test_a_cell_over_its_time_is_interrupted_and_one_that_ignores_that_is_killed(tmp_path):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer, Answer]:
        await agent.run("kept = 1")
        endless = await agent.run("print('on', flush=True)\nwhile True: pass")
        after = await agent.run("kept")
        stubborn = await agent.run(
            "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt: pass"
        )
        return endless, after, stubborn, await agent.run("kept")

    config = NotebookConfig(tmp_path, cell_timeout_s=1, interrupt_grace_s=1)
    with NotebookServer(config) as server:
        endless, after, stubborn, dead = play(server, scenario)
    assert endless.payload["status"] == "timeout"
    assert "after 1 seconds" in endless.payload["note"]
    assert endless.output == "on"
    assert after.output == "1"
    assert "did not stop when it was interrupted" in stubborn.error
    assert "died while cell 3 ran" in dead.error
    status = server.status()
    assert (status.cell_timeouts, status.kernel_deaths, status.infrastructure_error) == (1, 1, None)


@pytest.mark.parametrize(
    ("code", "detail"),
    [("import os; os._exit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL")],
)
def test_a_kernel_death_ends_the_call_before_its_time_limit_and_names_the_way_back(server, folder, code, detail):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, str]:
        deaths, timeouts = server.status().kernel_deaths, server.status().cell_timeouts
        died = await agent.run(code)
        after = await agent.run("1")
        assert (server.status().kernel_deaths, server.status().cell_timeouts) == (deaths + 1, timeouts)
        return died, after, agent.notebook_path

    died, after, name = play(server, scenario)
    assert detail in died.error
    assert f'start_session_resume_notebook(notebook_path="{name}")' in after.error
    kinds = [event["event"] for event in journal_events(folder, name)]
    assert kinds[-4:] == ["cell_started", "kernel_died", "cell_finished", "session_closed"]
    assert server.status().infrastructure_error is None


def test_memory_beyond_the_limit_is_an_exception_in_the_cell(tmp_path):
    config = NotebookConfig(tmp_path, memory_limit_bytes=2 << 30)
    with NotebookServer(config) as server:
        answer = play(server, lambda agent: agent.run("block = bytearray(3 << 30)"))
    assert answer.payload["outputs"][0]["name"] == "MemoryError"


def test_input_is_refused_instead_of_waiting_for_ever(server, shared):
    answer = play(server, lambda agent: agent.run("input('? ')"), session_id=shared)
    assert answer.payload["outputs"][0]["name"] == "StdinNotImplementedError"


def test_an_interrupted_shell_command_counts_as_interrupted(server):
    async def scenario(agent: Agent) -> Answer:
        running = asyncio.create_task(agent.run("!sleep 30"))
        await asyncio.sleep(0.5)
        await agent.call("interrupt", session_id=agent.session_id)
        return await running

    assert play(server, scenario).payload["status"] == "interrupted"


def test_an_agent_can_not_fill_the_disk_with_what_the_harness_writes_for_it(tmp_path):
    """Notes, sources, answers, copies: the harness writes them to the host's disk, as often as it is asked to."""
    limit = 3_000_000
    config = NotebookConfig(tmp_path, journals_limit_bytes=limit)

    async def scenario(agent: Agent) -> dict[str, Answer]:
        notes = [await agent.call("add_markdown", session_id=agent.session_id, content="é" * 200_000) for _ in range(6)]
        await agent.run(f"answer = {{'a': 'x' * {limit}}}\nprint('y' * 100_000)")
        return {
            "first note": notes[0],
            "note": notes[-1],
            "code": await agent.run("#" * 900_000),
            "edit": await agent.call("edit_cell", session_id=agent.session_id, code="#" * 900_000),
            "copy": await agent.start("start_session_continue_notebook", notebook_path=agent.notebook_path),
            "answer": await agent.submit(),
            "small": await agent.run("print(1)"),
        }

    with NotebookServer(config) as server:
        answers = play(server, scenario)
        assert server.status().infrastructure_error is None
    refused = {name for name, answer in answers.items() if answer.is_error}
    assert refused == {"note", "code", "edit", "copy"}
    assert all("MiB" in answers[name].error for name in refused)
    assert answers["small"].output == "1"
    journals = sum(path.stat().st_size for path in (tmp_path / "notebooks").glob("*.jsonl"))
    assert journals < 1.1 * limit
