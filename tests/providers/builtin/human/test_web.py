"""The local web server: who may talk to it, and what the page is told."""

from __future__ import annotations

import asyncio
import json

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import websocket_connect

from scribe_suite.providers.builtin.human.gateway import Gateway
from scribe_suite.providers.builtin.human.web import Surroundings, application


class Site:
    """The server of a sitting, and requests to it."""

    def __init__(self, sitting):
        self.around = Surroundings(sitting, Gateway(sitting), lab={"port": 1, "path": "/lab", "token": "lab-token"})
        listening, self.port = bind_unused_port()
        self.server = HTTPServer(application(self.around))
        self.server.add_socket(listening)

    async def ask(self, path, body=None, token=None, **headers):
        """Status and content of a reply."""
        if token is not None:
            headers["Authorization"] = f"token {token}"
        got = await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{self.port}{path}", method="GET" if body is None else "POST", body=body,
            headers=headers, raise_error=False,
        )  # fmt: skip
        return got.code, got.body.decode()

    async def page(self, path, body=None):
        """The page asks for something."""
        return await self.ask(path, body if body is None else json.dumps(body), self.around.page_token)


def at_site(sit, scenario):
    async def work(sitting):
        site = Site(sitting)
        try:
            return await scenario(sitting, site)
        finally:
            site.around.gateway.close()
            site.server.stop()
            await site.server.close_all_connections()

    return sit(work)


@pytest.mark.parametrize(
    "path",
    ["/", "/?token=wrong", "/api/state", "/gateway/api/kernels", "/gateway/api/kernelspecs", "/gateway/api/kernels/x"],
)
def test_without_its_token_nobody_gets_anything(sit, path):
    async def scenario(_sitting, site):
        return await site.ask(path), await site.ask(path, token="wrong"), await site.ask(path, token="")

    assert {status for status, _ in at_site(sit, scenario)} == {403}


def test_the_page_s_token_does_not_open_the_gateway_nor_the_other_way_round(sit):
    async def scenario(_sitting, site):
        around = site.around
        with pytest.raises(Exception, match="403"):
            await websocket_connect(f"ws://127.0.0.1:{site.port}/gateway/api/kernels/x/channels")
        return [
            await site.ask("/gateway/api/kernels", token=around.page_token),
            await site.ask("/gateway/api/kernels", body="{}", token=around.page_token),
            await site.ask("/api/state", token=around.gateway_token),
            await site.ask("/api/start", body="{}", token=around.gateway_token),
            await site.ask(f"/?token={around.gateway_token}"),
        ]

    assert {status for status, _ in at_site(sit, scenario)} == {403}


def test_a_name_of_somebody_else_s_that_leads_here_is_refused(sit):
    async def scenario(_sitting, site):
        ours = await site.ask("/api/state", token=site.around.page_token, Host=f"localhost:{site.port}")
        theirs = await site.ask("/api/state", token=site.around.page_token, Host=f"evil.example:{site.port}")
        return ours[0], theirs[0]

    assert at_site(sit, scenario) == (200, 403)


def test_prompt_and_notebook_are_told_only_while_the_clock_runs(sit):
    async def scenario(_sitting, site):
        async def state():
            return json.loads((await site.page("/api/state"))[1])

        waiting = await state()
        assert (await site.page("/api/start", {}))[0] == 200
        working = await state()
        assert (await site.page("/api/pause", {}))[0] == 200
        return waiting, working, await state()

    waiting, working, paused = at_site(sit, scenario)
    assert [state["status"]["stage"] for state in (waiting, working, paused)] == ["waiting", "working", "paused"]
    for state in (waiting, paused):
        assert state["prompt"] is state["lab"] is None
    assert "<h1>The question</h1>" in working["prompt"]
    assert "<script>" not in working["prompt"]
    assert working["lab"]["token"] == "lab-token"


def test_what_the_person_does_on_the_page_is_done_or_refused_with_a_sentence(sit, outputs):
    async def scenario(sitting, site):
        early = await site.page("/api/submit", {"variable": "values"})
        await site.page("/api/start", {})
        kernel = await site.around.gateway.start()
        note = await site.page("/api/note", {"text": "Hm."})
        odd = await site.page("/api/note", {})
        unknown = await site.page("/api/score", {})
        missing = await site.page("/api/submit", {"variable": "nothing"})
        submitted = await site.page("/api/submit", {"variable": "values"})
        assert kernel.session == sitting.status().sessions[-1]
        await site.page("/api/quit", {})
        return early, note, odd, unknown, missing, submitted, sitting.over.is_set()

    early, note, odd, unknown, missing, submitted, over = at_site(sit, scenario)
    assert (early[0], json.loads(early[1])["refused"]) == (409, "The clock has not been started.")
    assert note == (200, '{"text": "The note is kept."}')
    assert json.loads((outputs / "notes.jsonl").read_text())["text"] == "Hm."
    assert (odd[0], unknown[0]) == (400, 404)
    assert "no variable" in missing[1]
    assert "accepted: true" in submitted[1]
    assert over


def test_the_gateway_speaks_jupyter_s_rest_interface_and_relays_cells(sit):
    async def scenario(sitting, site):
        token = site.around.gateway_token
        refused = await site.ask("/gateway/api/kernels", body="{}", token=token)
        sitting.start()
        specs = await site.ask("/gateway/api/kernelspecs", token=token)
        none = await site.ask("/gateway/api/kernelspecs/ir", token=token)
        started = await site.ask("/gateway/api/kernels", body="{}", token=token)
        kernel = json.loads(started[1])["id"]
        listed = await site.ask("/gateway/api/kernels", token=token)
        from tornado.httpclient import HTTPRequest

        url = f"ws://127.0.0.1:{site.port}/gateway/api/kernels/{kernel}/channels"
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {token}"}))
        header = {"msg_id": "m", "msg_type": "execute_request", "session": "s"}
        asked = {"header": header, "content": {"code": "print(values)"}, "channel": "shell"}
        await socket.write_message(json.dumps(asked))
        got = []
        while not got or got[-1]["msg_type"] != "execute_reply":
            got.append(json.loads(await asyncio.wait_for(socket.read_message(), 20)))
        restarted = await site.ask(f"/gateway/api/kernels/{kernel}/restart", body="{}", token=token)
        interrupted = await site.ask(f"/gateway/api/kernels/{kernel}/interrupt", body="{}", token=token)
        socket.close()
        return refused, specs, none, started, listed, got, restarted, interrupted

    refused, specs, none, started, listed, got, restarted, interrupted = at_site(sit, scenario)
    assert refused[0] == 503
    assert "clock" in json.loads(refused[1])["message"]
    assert list(json.loads(specs[1])["kernelspecs"]) == ["python3"]
    assert none[0] == 404
    assert started[0] == 201
    assert [kernel["id"] for kernel in json.loads(listed[1])] == [json.loads(started[1])["id"]]
    assert [one["content"]["text"] for one in got if one["msg_type"] == "stream"] == ["[3, 11]\n"]
    assert (restarted[0], interrupted[0]) == (200, 200)
