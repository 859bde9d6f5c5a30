"""The ways in which Codex offers the notebook's tools."""

from __future__ import annotations

import json

import pytest

from .clients import HTTP, request_body, say

SEARCH = {"type": "tool_search", "execution": "client"}
FUNCTION = {"type": "function", "name": "shell_command"}
EXEC = {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}
NAMESPACE = {"type": "namespace", "name": "mcp__scribe", "tools": [{"type": "function", "name": "start_new_session"}]}


@pytest.fixture
def output(server):
    """Posts a body and gives back the items of the reply."""

    def output(scenario="quick_solve", **changes):
        body = {**request_body("openai", stream=False), **changes}
        response = HTTP.post(server.base_url("openai", scenario) + "/responses", json=body, timeout=5)
        return [item for item in response.json()["output"] if item["type"] != "message"]

    return output


def test_tools_of_a_namespace_are_called_in_it(output):
    [item] = output()
    assert (item["type"], item["namespace"], item["name"]) == ("function_call", "mcp__scribe", "start_new_session")


def test_tools_may_come_as_an_item_of_the_input(output):
    [item] = output(tools=None, input=[{"type": "additional_tools", "tools": [NAMESPACE]}])
    assert item["namespace"] == "mcp__scribe"


def test_hidden_tools_are_searched_for_and_then_called(output):
    [search] = output(tools=[SEARCH, FUNCTION])
    assert (search["type"], search["execution"]) == ("tool_search_call", "client")
    assert search["arguments"]["query"] == "start new session"
    found = {"type": "tool_search_output", "call_id": search["call_id"], "tools": [NAMESPACE]}
    [call] = output(tools=[SEARCH, FUNCTION], input=[search, found])
    assert (call["type"], call["namespace"]) == ("function_call", "mcp__scribe")


def test_parallel_calls_of_hidden_tools_make_one_search(output):
    done = {"type": "function_call_output", "call_id": "c", "output": "session_id: s1"}
    items = output("parallel", tools=[SEARCH], input=[done])
    assert [item["type"] for item in items] == ["tool_search_call"]


def test_tools_behind_code_are_called_by_code(server, output):
    [item] = output(tools=[EXEC])
    assert (item["type"], item["namespace"], item["name"]) == ("custom_tool_call", "functions", "exec")
    assert '"__start_new_session"' in item["input"]
    assert '{"experiment_name": "quick"}' in item["input"]


def test_the_session_is_found_in_what_code_puts_out(output):
    [call] = output(tools=[EXEC])
    blocks = json.dumps([{"type": "text", "text": "session_id: s4\nstatus: started"}])
    result = {"type": "custom_tool_call_output", "call_id": call["call_id"]}
    [item] = output(tools=[EXEC], input=[call, {**result, "output": [{"type": "input_text", "text": blocks}]}])
    assert '"session_id": "s4"' in item["input"]


def test_the_shell_that_is_offered_is_taken(server):
    url = server.base_url("openai", "ask_shell")
    body = {**request_body("openai", stream=False), "tools": [FUNCTION]}
    assert HTTP.post(url + "/responses", json=body).json()["output"][0]["name"] == "shell_command"
    assert say("openai", url).calls[0][0] == "exec_command"


def test_a_web_socket_is_refused_so_that_codex_takes_http(server):
    url = server.base_url("openai", "quick_solve")
    headers = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "eA==",
        "sec-websocket-version": "13",
    }
    assert HTTP.get(url + "/responses", headers=headers).status_code == 426
