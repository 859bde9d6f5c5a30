"""Failures do what they say, by all APIs."""

from __future__ import annotations

import time

import httpx
import pytest

from tools.model_server.scenario import ScenarioError
from tools.model_server.server import ModelServer

from .clients import APIS, HTTP, events_of, post, request_body, say, target

SOON_S = 0.3
#: The APIs with words of their own for statuses.
WORDED = ("anthropic", "openai", "gemini")


@pytest.fixture(params=APIS)
def api(request):
    return request.param


def words(api, error):
    """The API's word for an error, from its body."""
    word = {"anthropic": "type", "openai": "code", "openai-chat": "code", "gemini": "status"}[api]
    return error["error"][word]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")),
        (401, ("authentication_error", "invalid_api_key", "UNAUTHENTICATED")),
        (403, ("permission_error", "permission_denied", "PERMISSION_DENIED")),
        (404, ("not_found_error", "not_found", "NOT_FOUND")),
        (429, ("rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED")),
        (500, ("api_error", "server_error", "INTERNAL")),
        (529, ("overloaded_error", "server_is_overloaded", "UNAVAILABLE")),
    ],
)
def test_a_status_comes_with_the_apis_own_body(server, api, stream, status, expected):
    url = server.base_url(api, f"status_{status}")
    for _ in range(2):
        response = post(api, url, stream=stream)
        assert response.status_code == status
        assert words(api, response.json()) == expected[WORDED.index(api.removesuffix("-chat"))]
        assert "retry-after" not in response.headers
    assert [request.outcome for request in server.requests_of(url)] == ["failure", "failure"]


def test_a_rate_limit_may_say_when_to_try_again(server, api):
    response = post(api, server.base_url(api, "status_429_retry_after"))
    assert response.headers["retry-after"] == "1"
    assert ("retryDelay" in response.text) == (api == "gemini")


@pytest.mark.parametrize("times", [1, 2])
def test_a_failure_may_pass(server, api, times):
    url = server.base_url(api, "status_429_then_ok", times=times)
    assert [post(api, url).status_code for _ in range(times + 1)] == [429] * times + [200]
    other = server.base_url(api, "status_429_then_ok", times=times)
    assert post(api, other).status_code == 429, "plays count apart"


def test_a_failure_may_come_late(server, api):
    url = server.base_url(api, "status_500_after_cell")
    done = [("execute_code", {}, "{}")]
    assert [post(api, url, done * count).status_code for count in range(4)] == [200, 200, 500, 500]


def test_a_hang_sends_not_even_headers(server, api):
    url = server.base_url(api, "hang")
    with pytest.raises(httpx.ReadTimeout):
        HTTP.post(url + target(api), json=request_body(api), timeout=SOON_S)
    assert [request.outcome for request in server.requests_of(url)] == ["failure"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("scenario", "error"), [("stall", httpx.ReadTimeout), ("disconnect", httpx.RemoteProtocolError)]
)
def test_a_reply_ends_in_the_middle(server, api, stream, scenario, error):
    url = server.base_url(api, scenario) + target(api, stream)
    chunks: list[bytes] = []
    with HTTP.stream("POST", url, json=request_body(api, stream=stream), timeout=SOON_S) as response:
        assert response.status_code == 200
        with pytest.raises(error):
            chunks.extend(response.iter_raw())
    got = b"".join(chunks)
    whole = post(api, server.base_url(api, "quick_solve"), stream=stream)
    if stream:
        assert 0 < len(events_of(got.decode())) < len(events_of(whole.text))
    else:
        assert 0 < len(got) < len(whole.content)


def test_a_stall_may_pass(server, api):
    url = server.base_url(api, "stall_then_ok")
    with pytest.raises(httpx.ReadTimeout):
        HTTP.post(url + target(api), json=request_body(api), timeout=SOON_S)
    assert say(api, url).calls


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_garbage_is_no_json(server, api, stream):
    response = post(api, server.base_url(api, "garbage"), stream=stream)
    assert response.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        events_of(response.text) if stream else response.json()


def test_an_unknown_event_is_in_an_otherwise_good_reply(server, api):
    events = events_of(post(api, server.base_url(api, "unknown_event")).text)
    assert "horoscope" in str(events[1])
    good = events_of(post(api, server.base_url(api, "quick_solve")).text)
    assert len(events) == len(good) + 1
    whole = post(api, server.base_url(api, "unknown_event"), stream=False)
    assert whole.status_code == 200


def test_an_error_may_come_as_an_event(server, api):
    first, error = events_of(post(api, server.base_url(api, "stream_error")).text)
    assert first[{"gemini": "candidates", "openai-chat": "choices"}.get(api, "type")]
    assert "simulated failure" in str(error)
    assert post(api, server.base_url(api, "stream_error"), stream=False).status_code == 500


def test_delays_are_kept(server, api):
    begun = time.monotonic()
    say(api, server.base_url(api, "never_stop"))
    assert time.monotonic() - begun >= 0.05


def test_a_server_stops_though_clients_hang():
    begun = time.monotonic()
    with (
        ModelServer() as server,
        httpx.Client(timeout=SOON_S) as client,
        pytest.raises(httpx.ReadTimeout),
        client.stream("POST", server.base_url("openai", "stall") + "/responses", json=request_body("openai")) as reply,
    ):
        reply.read()
    assert time.monotonic() - begun < 30


def test_wrong_scenarios_are_refused_at_once(server):
    with pytest.raises(ScenarioError, match="no scenario 'nothing'"):
        server.base_url("openai", "nothing")
    with pytest.raises(ScenarioError, match="no API 'mistral'; there are anthropic, openai, openai-chat, gemini"):
        server.base_url("mistral", "hang")


def test_urls_that_belong_to_no_play_are_told_so(server, api):
    response = post(api, f"{server.address}/s/quick_solve")
    assert response.status_code == 404
    assert "belongs to no play of this server; take the URL from base_url" in response.json()["error"]["message"]
    with pytest.raises(ScenarioError, match="not a base URL"):
        server.requests_of("http://127.0.0.1:1/v1")


def test_paths_that_no_api_has_are_logged(server):
    url = server.base_url("anthropic", "quick_solve")
    response = HTTP.get(f"{url}/api/telemetry")
    assert (response.status_code, "nothing that the scripted" in response.text) == (404, True)
    [request] = server.requests_of(url)
    assert (request.api, request.outcome, request.method) == ("other", "refused", "GET")


@pytest.mark.parametrize(
    ("content", "headers", "message"),
    [
        (b"{", {}, "The body is not JSON"),
        (b"[1]", {}, "a JSON list, not an object"),
        (b"{}", {"content-encoding": "br"}, "encoded as 'br'"),
        (b"{}", {"content-encoding": "zstd"}, "The body is not JSON"),
        (b'{"messages": 3}', {}, "The body is not what anthropic takes"),
    ],
)
def test_bodies_that_cannot_be_read_are_told_why(server, content, headers, message):
    url = server.base_url("anthropic", "quick_solve")
    response = HTTP.post(f"{url}/v1/messages", content=content, headers=headers)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
