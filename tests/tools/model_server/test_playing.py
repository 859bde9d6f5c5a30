"""What is played over HTTP, by all APIs, streamed and not."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest

from scribe_suite.tasks.solutions import parse_percent
from tools.model_server.cli_tools import BUILTINS
from tools.model_server.scenario import Call, Scenario, Step
from tools.model_server.solving import solve
from tools.model_server.usage import usage_at, usage_total

from .clients import APIS, HTTP, post, request_body, say, spelled, target

STARTED = "session_id: s7\nstatus: started\nnotebook_path: quick.ipynb"
RAN = "cell_index 0, execution_count 1: ok, 0.01 s\nsession_id: s8"
ACCEPTED = "accepted: true\nmessage: fine"
REFUSED = "accepted: false\nmessage: The answer must be a dict."


def past(api, *results):
    """Calls of the tools in `results`, in order, with what came back."""
    return [(spelled(api, tool), {}, result) for tool, result in results]


@pytest.fixture(params=APIS)
def api(request):
    return request.param


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_scenario_is_played_step_by_step(server, api, stream):
    url = server.base_url(api, "quick_solve")
    first = say(api, url, stream=stream)
    assert first.text == "I begin with a session."
    assert first.calls == ((spelled(api, "start_new_session"), {"experiment_name": "quick"}),)
    done = past(api, ("start_new_session", STARTED))
    [(name, arguments)] = say(api, url, done, stream=stream).calls
    assert name == spelled(api, "execute_code")
    assert arguments["session_id"] == "s7"
    done += past(api, ("execute_code", RAN))
    submit = (spelled(api, "submit_answer"), {"session_id": "s7", "variable": "answer"})
    assert say(api, url, done, stream=stream).calls == (submit,)
    last = say(api, url, [*done, *past(api, ("submit_answer", ACCEPTED))], stream=stream)
    assert last.calls == ()
    assert last.text.startswith("Submitted: ")
    assert "fine" in last.text


def test_a_request_sent_again_gets_the_same_reply(server, api):
    url = server.base_url(api, "quick_solve")
    done = past(api, ("start_new_session", STARTED))
    assert say(api, url, done) == say(api, url, done)


def test_the_session_is_the_one_that_was_started_last(server, api):
    done = past(
        api,
        ("start_new_session", STARTED),
        ("execute_code", RAN),
        ("start_session_resume_notebook", "session_id: s9"),
    )
    call = Call(tool="execute_code", arguments={"session_id": "${session}", "code": "1"})
    scenario = Scenario(name="own", summary="x", steps=(Step(calls=(call,)),), repeat_last=True)
    assert say(api, server.base_url(api, scenario), done).calls[0][1]["session_id"] == "s9"


def test_a_session_that_was_never_started_is_none_of_the_notebooks(server, api):
    done = past(api, ("start_new_session", "Error: There are too many sessions."))
    assert say(api, server.base_url(api, "quick_solve"), done).calls[0][1]["session_id"] == "no-session"


def test_a_result_that_is_not_expected_ends_the_play_and_is_logged(server, api):
    url = server.base_url(api, "quick_solve")
    done = past(api, ("start_new_session", STARTED), ("execute_code", RAN), ("submit_answer", REFUSED))
    reply = say(api, url, done)
    assert reply.calls == ()
    assert "must be a dict" in reply.text
    assert server.requests_of(url)[-1].mismatch == reply.text


def test_a_refusal_is_read_and_mended(server, api):
    url = server.base_url(api, "bad_then_good")
    done = past(api, ("start_new_session", STARTED), ("execute_code", RAN), ("submit_answer", REFUSED))
    reply = say(api, url, done)
    assert "must be a dict" in reply.text
    assert reply.calls[0][1] == {"session_id": "s7", "code": "answer = {'total': 42}"}


def test_parallel_calls_come_together_and_only_missing_ones_again(server, api):
    url = server.base_url(api, "parallel")
    done = past(api, ("start_new_session", STARTED))
    tools = [name for name, _ in say(api, url, done).calls]
    assert tools == [spelled(api, tool) for tool in ("execute_code", "execute_code", "add_markdown")]
    done += past(api, ("execute_code", RAN))
    assert [name for name, _ in say(api, url, done).calls] == tools[1:]
    done += past(api, ("execute_code", RAN), ("add_markdown", "{}"))
    assert say(api, url, done).text == "All came back."


@pytest.mark.parametrize("results", [2, 50])
def test_the_last_step_is_repeated_for_ever(server, api, results):
    url = server.base_url(api, "never_stop")
    done = past(api, ("start_new_session", STARTED), *[("execute_code", RAN)] * results)
    assert say(api, url, done).calls == (
        (spelled(api, "execute_code"), {"session_id": "s7", "code": "print('again')"}),
    )


def test_a_script_has_an_end(server, api):
    done = past(api, *[("execute_code", RAN)] * 9)
    reply = say(api, server.base_url(api, "parallel"), done)
    assert (reply.text, reply.calls) == ("All came back.", ())


@pytest.mark.parametrize("builtin", sorted(BUILTINS))
def test_a_builtin_is_asked_for_by_its_raw_name_though_it_is_not_offered(server, api, builtin):
    url = server.base_url(api, f"ask_{builtin}")
    assert say(api, url).calls == (BUILTINS[builtin][api.removesuffix("-chat")][0],)
    assert say(api, url, tools=()).calls == (BUILTINS[builtin][api.removesuffix("-chat")][0],)
    assert "no such tool" in say(api, url, past(api, ("x", "no such tool"))).text


def test_a_client_without_tools_is_told_so(server, api):
    reply = say(api, server.base_url(api, "quick_solve"), tools=())
    assert (reply.text.startswith("I have no tools"), reply.calls) == (True, ())


def test_a_solution_is_played_to_its_end(server, api):
    url = server.base_url(api, solve(parse_percent("# %% [markdown]\n# Add.\n# %%\nanswer = {'x': '${result}'}\n")))
    done = []
    results = {"start_new_session": STARTED, "submit_answer": ACCEPTED}
    called = []
    while calls := say(api, url, done).calls:
        for name, arguments in calls:
            tool = next(tool for tool in results | {"add_markdown": 0, "execute_code": 0} if name.endswith(tool))
            called.append((tool, arguments))
            done.append((name, arguments, results.get(tool, RAN)))
    assert called == [
        ("start_new_session", {"experiment_name": "solution"}),
        ("add_markdown", {"session_id": "s7", "content": "Add."}),
        ("execute_code", {"session_id": "s7", "code": "answer = {'x': '${result}'}"}),
        ("submit_answer", {"session_id": "s7", "variable": "answer"}),
    ]


def test_tokens_are_the_known_constants(server, api):
    url = server.base_url(api, "never_stop")
    replies = [say(api, url, past(api, *[("execute_code", RAN)] * count)).usage for count in range(3)]
    assert replies == [usage_at(api, count) for count in range(3)]
    total = usage_total(api, (request.results for request in server.requests_of(url)))
    assert (total.input, total.cached, total.output) == (4503, 1500, 180)
    assert total.reasoning == (0 if api == "anthropic" else 60)


@pytest.mark.parametrize(
    ("api", "path", "key"),
    [
        ("anthropic", "/v1/messages/count_tokens", "input_tokens"),
        ("gemini", "/v1beta/models/m:countTokens", "totalTokens"),
    ],
)
def test_tokens_are_counted(server, api, path, key):
    url = server.base_url(api, "quick_solve")
    assert HTTP.post(url + path, json={}).json() == {key: 1500}
    assert server.requests_of(url)[0].outcome == "count"


@pytest.mark.parametrize(
    ("encoding", "encode"), [("gzip", gzip.compress), ("zstd", lambda raw: pa.compress(raw, "zstd", asbytes=True))]
)
def test_compressed_bodies_are_read(server, encoding, encode):
    url = server.base_url("openai", "quick_solve")
    raw = encode(json.dumps(request_body("openai", stream=False)).encode())
    headers = {"content-type": "application/json", "content-encoding": encoding}
    response = HTTP.post(url + target("openai"), content=raw, headers=headers)
    assert response.json()["output"][-1]["name"] == "start_new_session"
    assert server.requests_of(url)[0].body["model"] == "m"


def test_the_log_has_bodies_headers_and_what_was_replied(server, api):
    url = server.base_url(api, "quick_solve")
    post(api, url, past(api, ("start_new_session", STARTED)))
    [request] = server.requests_of(url)
    assert request in server.requests
    assert (request.api, request.scenario, request.results) == (api, "quick_solve", 1)
    assert (request.outcome, request.called) == ("reply", ("execute_code",))
    assert request.headers["content-type"] == "application/json"
    assert request.body == request_body(api, past(api, ("start_new_session", STARTED)))
    assert spelled(api, "execute_code") in request.offered
    assert request.path.endswith(target(api))
