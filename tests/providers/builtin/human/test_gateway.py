"""JupyterLab's side of a kernel: each cell is a call of the notebook, and nothing else runs."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from scribe_suite.providers.builtin.human.gateway import Gateway, jupyter_output
from scribe_suite.providers.builtin.human.sitting import RefusedError

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Browser:
    """A client of a kernel."""

    def __init__(self, gateway, kernel):
        self.gateway, self.kernel, self.got = gateway, kernel, []
        kernel.clients.add(self)

    def tell(self, message):
        self.got.append(message)

    async def send(self, kind, channel="shell", **content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "browser"}
        message = {"header": header, "content": content, "channel": channel}
        await self.gateway.receive(self.kernel, message, self)
        return header["msg_id"]

    async def reply(self, asked):
        """The reply to a request, and what was published for it, once the kernel is idle again."""
        while True:
            own = [one for one in self.got if one["parent_header"].get("msg_id") == asked]
            if own and own[-1]["content"].get("execution_state") == "idle":
                (answer,) = [one for one in own if one["channel"] != "iopub"]
                published = [one for one in own if one["channel"] == "iopub" and one["msg_type"] != "status"]
                return answer, published
            await asyncio.sleep(0.01)

    async def run(self, code):
        return await self.reply(await self.send("execute_request", code=code))


def at_kernel(sit, scenario):
    """Run a scenario with a kernel and a browser at it."""

    async def work(sitting):
        sitting.start()
        gateway = Gateway(sitting)
        kernel = await gateway.start()
        try:
            return await scenario(sitting, gateway, Browser(gateway, kernel))
        finally:
            gateway.close()

    return sit(work)


PLOT = f"""
import base64
from IPython.display import Image, display
print(values)
display(Image(base64.b64decode("{PNG}")))
"last"
"""


def test_a_cell_is_shown_as_in_any_jupyter(sit):
    async def scenario(_sitting, _gateway, browser):
        return await browser.run(PLOT)

    answer, published = at_kernel(sit, scenario)
    assert [one["msg_type"] for one in published] == ["execute_input", "stream", "display_data", "execute_result"]
    assert published[1]["content"] == {"name": "stdout", "text": "[3, 11]\n"}
    assert published[2]["content"]["data"]["image/png"].strip() == PNG
    assert published[3]["content"]["data"] == {"text/plain": "'last'"}
    # the set-up cell was the first
    assert published[3]["content"]["execution_count"] == answer["content"]["execution_count"] == 2
    assert answer["content"]["status"] == "ok"


def test_help_on_an_object_is_shown_as_an_output(sit):
    async def scenario(_sitting, _gateway, browser):
        return await browser.run("len?")

    _answer, published = at_kernel(sit, scenario)
    assert "number of items" in str([one["content"] for one in published[1:]])


def test_output_is_published_while_the_cell_runs(sit):
    async def scenario(_sitting, _gateway, browser):
        asked = await browser.send("execute_request", code="import time; print('now', flush=True); time.sleep(1)")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not any(one["msg_type"] == "stream" for one in browser.got):
            await asyncio.sleep(0.01)
        early = loop.time() - begin
        await browser.reply(asked)
        return early, loop.time() - begin

    early, whole = at_kernel(sit, scenario)
    assert early < whole - 0.6


def test_after_an_error_the_cells_behind_it_are_dropped(sit):
    async def scenario(sitting, _gateway, browser):
        asked = [
            await browser.send("execute_request", code=code) for code in ("1 / 0", "print('never')", "print('no')")
        ]
        answers = [(await browser.reply(one))[0]["content"] for one in asked]
        return answers, sitting.calls, await browser.run("print('again')")

    answers, calls, again = at_kernel(sit, scenario)
    assert [answer["status"] for answer in answers] == ["error", "aborted", "aborted"]
    assert (answers[0]["ename"], answers[0]["execution_count"]) == ("ZeroDivisionError", 2)
    assert calls == 2  # the session, and one cell
    assert again[1][-1]["content"]["text"] == "again\n"


def test_nothing_runs_but_cells(sit):
    async def scenario(sitting, _gateway, browser):
        info = await browser.reply(await browser.send("kernel_info_request"))
        complete = await browser.reply(await browser.send("complete_request", code="val", cursor_pos=3))
        inspect = await browser.reply(await browser.send("inspect_request", code="values", cursor_pos=3))
        comms = await browser.reply(await browser.send("comm_info_request"))
        await browser.send("comm_open", comm_id="x", target_name="jupyter.widget", data={})
        blank = await browser.run("  \n")
        asked = await browser.send(
            "execute_request", code="3", user_expressions={"x": "open('made', 'w')"}, silent=True
        )
        silent = await browser.reply(asked)
        exists = await browser.run("import os; os.path.exists('made')")
        return sitting.calls, info, complete, inspect, comms, blank, silent, exists

    calls, info, complete, inspect, comms, blank, silent, exists = at_kernel(sit, scenario)
    assert calls == 3
    assert info[0]["msg_type"] == "kernel_info_reply"
    assert info[0]["content"]["language_info"]["name"] == "python"
    assert complete[0]["content"]["matches"] == []
    assert inspect[0]["content"]["found"] is False
    assert comms[0]["content"]["comms"] == {}
    assert blank[1] == []
    assert silent[1][0]["msg_type"] == "execute_input", "a silent request is a cell like any other"
    assert silent[0]["content"]["user_expressions"] == {}
    assert exists[1][-1]["content"]["data"] == {"text/plain": "False"}


def test_a_stopped_clock_refuses_cells_and_kernels(sit):
    async def scenario(sitting, gateway, browser):
        sitting.pause()
        answer, published = await browser.run("1")
        with pytest.raises(RefusedError):
            await gateway.start()
        with pytest.raises(RefusedError):
            await gateway.restart(browser.kernel)
        sitting.resume()
        return answer, published, await browser.run("2")

    answer, published, after = at_kernel(sit, scenario)
    assert (answer["content"]["status"], answer["content"]["ename"]) == ("error", "NotRun")
    assert "clock is stopped" in published[-1]["content"]["evalue"]
    assert after[0]["content"]["status"] == "ok"


def test_a_cell_can_be_interrupted_and_a_kernel_restarted_into_an_empty_one(sit):
    async def scenario(_sitting, gateway, browser):
        asked = await browser.send("execute_request", code="mine = 1\nimport time; time.sleep(19)")
        await asyncio.sleep(0.5)
        await browser.reply(await browser.send("interrupt_request", channel="control"))
        stopped = await browser.reply(asked)
        first = browser.kernel.session
        await gateway.restart(browser.kernel)
        lost = await browser.run("mine")
        assert browser.kernel.session != first
        return stopped, lost, await browser.run("values")

    stopped, lost, fresh = at_kernel(sit, scenario)
    assert stopped[0]["content"]["status"] == "error"
    assert "KeyboardInterrupt" in str(stopped[1])
    assert "interrupted" in str(stopped[1])
    assert lost[0]["content"]["ename"] == "NameError"
    assert fresh[1][-1]["content"]["data"] == {"text/plain": "[3, 11]"}


def test_a_dead_kernel_says_what_to_do(sit):
    async def scenario(_sitting, gateway, browser):
        answer, _published = await browser.run("import os; os._exit(3)")
        await gateway.restart(browser.kernel)
        return answer, await browser.run("1")

    answer, after = at_kernel(sit, scenario)
    assert answer["content"]["status"] == "error"
    assert "died" in answer["content"]["evalue"]
    assert "Restart Kernel" in answer["content"]["evalue"]
    assert after[0]["content"]["status"] == "ok"


def test_an_ended_kernel_is_gone_with_its_session(sit):
    async def scenario(sitting, gateway, browser):
        assert len(sitting.status().sessions) == 1
        await gateway.end(browser.kernel)
        return sitting.status().sessions, gateway.kernels

    assert at_kernel(sit, scenario) == ((), {})


@pytest.mark.parametrize(
    ("output", "kind", "content"),
    [
        ({"output_type": "clear_output", "wait": True}, "clear_output", {"wait": True}),
        (
            {"output_type": "update_display_data", "data": {"text/plain": "2"}, "metadata": {}, "display_id": "d"},
            "update_display_data",
            {"data": {"text/plain": "2"}, "metadata": {}, "transient": {"display_id": "d"}},
        ),
        (
            {"output_type": "display_data", "data": {"text/plain": "2"}, "metadata": {}},
            "display_data",
            {"data": {"text/plain": "2"}, "metadata": {}, "transient": {}},
        ),
    ],
)
def test_outputs_of_the_journal_become_jupyter_s_messages(output, kind, content):
    assert jupyter_output(output, 4) == (kind, content)
