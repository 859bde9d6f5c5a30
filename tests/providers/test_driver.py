"""The driver with a program of our own as the CLI: environment, limits, retries, watchdog, nothing left behind."""

import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from scribe_suite.causes import CAUSES
from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import NOT_ISOLATED, AttemptContext, AttemptFailedError, EndReason, Limits
from scribe_suite.providers.clis import binary, diagnosis, driver, listening, meter
from scribe_suite.providers.clis.adapter import Launch
from scribe_suite.providers.clis.codex import CodexAdapter
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.slots import Slots
from scribe_suite.sandbox.probing import best_tier
from scribe_suite.sandbox.tiers import IsolationTier

#: Where programs have a file system of their own, and where they have nothing of the kind.
TIERS = [tier for tier in (best_tier(), IsolationTier("none")) if tier.own_root or not tier.confined]
KEY = "sk-planted-key-0123456789"
HEAD = """#!{python}
import json, os, signal, subprocess, sys, time
if "--version" in sys.argv:
    print("fake 1.2.3"); sys.exit()
prompt = sys.stdin.read()
def say(**event):
    print(json.dumps(event), flush=True)
def call(number, text="ok", status="completed"):
    item = dict(id=f"i{{number}}", type="mcp_tool_call", server="scribe", tool="execute_code", arguments={{}})
    say(type="item.started", item=item)
    say(type="item.completed", item=dict(item, status=status, result=dict(content=[dict(type="text", text=text)])))
def done():
    say(type="turn.completed", usage=dict(input_tokens=10, output_tokens=5))
"""


class FakeAdapter(CodexAdapter):
    """Speaks as Codex does, and is started without its configuration."""

    variable = "SCRIBE_FAKE_BIN"
    title = "Fake CLI"

    def launch(self, job):
        return Launch(job.binary, {"CODEX_HOME": str(job.home)}, job.prompt)


class FakeProvider(CliProvider):
    name = "fake"
    adapter = FakeAdapter


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs code as the CLI."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(driver, "BACKOFF_S", (0.05, 0.1))

    def start(code, slots=None, tools_seen=True, isolation=NOT_ISOLATED, **limits):
        program = tmp_path / f"fake{time.monotonic_ns()}"
        program.write_text(HEAD.format(python=sys.executable) + code)
        program.chmod(0o755)
        monkeypatch.setenv("SCRIBE_FAKE_BIN", str(program))
        endpoint = NotebookEndpoint(Path("/nowhere"), ("pump", "/nowhere"))
        chosen = Limits(**{"wall_s": 30.0, "cell_s": 5.0, **limits})
        context = AttemptContext("the prompt", endpoint, chosen, None, outputs, slots=slots, isolation=isolation)
        return FakeProvider().attempt(replace(context, tools_seen=lambda: tools_seen))

    start.outputs = outputs
    return start


def written(outputs):
    return "\n".join(path.read_text() for path in outputs.iterdir())


def test_an_attempt_becomes_a_transcript(run):
    transcript = run("call(1); say(type='brand.new'); print('no json'); call(2, status='failed'); done()")
    assert transcript.end_reason is EndReason.FINISHED
    assert (transcript.tool_calls, transcript.version) == (2, "fake 1.2.3")
    assert dict(transcript.tokens) == {"input": 10, "output": 5}
    told = json.loads((run.outputs / "transcript.json").read_text())
    assert [call["is_error"] for call in told["calls"]] == [False, True]
    assert told["end_reason"] == "finished"
    events = [json.loads(line) for line in (run.outputs / "fake.events.jsonl").read_text().splitlines()]
    assert "no json" in [event["line"] for event in events]
    assert all(event["at"] >= 0 for event in events)


@pytest.mark.slow
def test_an_agent_whose_notebook_was_never_asked_for_its_tools_has_not_failed(run):
    with pytest.raises(AttemptFailedError, match="could not reach the notebook") as caught:
        run("done()", tools_seen=False)
    assert caught.value.cause == "mcp_not_connected"
    talks = "say(type='item.completed', item=dict(id='1', type='agent_message', text='hm'))"
    for code, limits in (
        (f"while 1: {talks}; time.sleep(0.1)", {"wall_s": 2.0}),
        ("call(1); call(2); done()", {"turns": 1}),
    ):
        with pytest.raises(AttemptFailedError) as caught:
            run(code, tools_seen=False, **limits)
        assert caught.value.cause == "mcp_not_connected"
    assert run("done()").detail == "The agent called no tool."


@pytest.mark.slow
def test_silence_for_most_of_the_time_is_the_service_s_and_a_long_cell_is_not(run, monkeypatch):
    monkeypatch.setattr(meter, "THOUGHT_S", 1.0)
    with pytest.raises(AttemptFailedError) as caught:
        run("call(1); time.sleep(60)", wall_s=3.0)
    assert caught.value.cause == "stalled"
    assert json.loads((run.outputs / "transcript.json").read_text())["end_reason"] == "stalled"
    busy = "say(type='item.started', item=dict(id='1', type='mcp_tool_call', server='scribe', tool='execute_code'))"
    assert run(f"{busy}; time.sleep(60)", wall_s=3.0).end_reason is EndReason.TIMEOUT


def test_the_environment_is_made_from_a_list_and_no_key_is_written(run, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key-0123456789")
    monkeypatch.setenv("PYTEST_WHATEVER", "x")
    code = (
        "item = dict(text=os.environ['OPENAI_API_KEY'], type='agent_message', prompt=prompt)\n"
        "item |= dict(names=sorted(os.environ), home=os.environ['HOME'], files=os.listdir(os.environ['HOME']))\n"
        "say(type='item.completed', item=item)\n"
        "print(os.environ['OPENAI_API_KEY'], file=sys.stderr); call(1, os.environ['OPENAI_API_KEY']); done()"
    )
    run(code)
    text = written(run.outputs)
    assert KEY not in text
    assert "another-key" not in text
    assert text.count("[secret]") >= 5
    first = json.loads((run.outputs / "fake.events.jsonl").read_text().splitlines()[0])
    item = json.loads(first["line"])["item"]
    assert item["prompt"] == "the prompt"
    allowed = {*driver.COMMON, "OPENAI_API_KEY", "OPENAI_BASE_URL", "HOME", "TMPDIR", "TERM", "CODEX_HOME", "LC_CTYPE"}
    assert set(item["names"]) <= allowed
    assert item["home"] != os.environ.get("HOME")
    assert not Path(item["home"]).exists()


def test_what_a_cli_puts_in_the_place_of_a_file_that_is_written_or_read_later_is_not_followed(run, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    code = (
        f"outputs, secret = {str(run.outputs)!r}, {str(secret)!r}\n"
        "for name in ('transcript.json', 'fake.events.jsonl', 'fake.stderr.txt'):\n"
        "    if os.path.exists(f'{outputs}/{name}'): os.unlink(f'{outputs}/{name}')\n"
        "    os.symlink(secret, f'{outputs}/{name}')\n"
        "os.symlink(secret, '../stderr')\n"
        "sessions = os.environ['HOME'] + '/.codex/sessions'\n"
        "os.makedirs(sessions); os.mkfifo(f'{sessions}/rollout-x.jsonl')\n"
        "os.chmod(sessions, 0); os.rename(os.environ['HOME'], '../moved'); os.symlink(secret, os.environ['HOME'])\n"
        "print('an error', file=sys.stderr); call(1); done()"
    )
    assert run(code).end_reason is EndReason.FINISHED
    assert secret.read_text() == "mine"
    assert not (run.outputs / "transcript.json").is_symlink()
    assert json.loads((run.outputs / "transcript.json").read_text())["end_reason"] == "finished"


def test_the_end_of_what_a_cli_prints_without_end_is_kept(run, monkeypatch):
    monkeypatch.setattr("scribe_suite.providers.clis.process.MAX_PRINTED", 1 << 20)
    much = "for _ in range(64): sys.stderr.write('x' * (1 << 17))"
    run(f"{much}\nprint('the last words', file=sys.stderr); call(1); done()")
    printed = (run.outputs / "fake.stderr.txt").read_text()
    assert printed.endswith("the last words\n")
    assert len(printed) <= 2 << 20


@pytest.mark.slow
def test_a_stubborn_cli_and_all_its_children_are_killed_at_the_limit(run, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN); call(1)\n"
        "child = 'import signal, subprocess, time; signal.signal(signal.SIGINT, signal.SIG_IGN);'\n"
        'child += \'print(subprocess.Popen(["sleep", "600"], process_group=0).pid, flush=True); time.sleep(600)\'\n'
        "one = subprocess.Popen([sys.executable, '-c', child], stdout=subprocess.PIPE, text=True, process_group=0)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{one.pid}} {{one.stdout.readline()}}')\n"
        "time.sleep(600)"
    )
    begin = time.monotonic()
    transcript = run(code, wall_s=3.0)
    assert transcript.end_reason is EndReason.TIMEOUT
    assert transcript.detail == "The wall clock limit of 3 s was reached."
    assert json.loads((run.outputs / "transcript.json").read_text())["end_reason"] == "timeout"
    assert transcript.tool_calls == 1
    assert time.monotonic() - begin < 20
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 3
    assert [pid for pid in started if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"] == []


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_a_child_with_a_session_of_its_own_does_not_survive_either(run, tier):
    seconds = str(300_000 + os.getpid())
    code = (
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        f"            os.setsid(); os.closerange(0, 3); os.execv('/bin/sleep', ['sleep', '{seconds}'])\n"
        "        os._exit(0)\n"
        "time.sleep(0.3); call(1); done()"
    )
    assert run(code, isolation=tier).tool_calls == 1
    commands = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            commands.append(process.cmdline())
    assert ["sleep", seconds] not in commands


PLANTS = {
    "link": "os.symlink('/proc/self/root/etc/passwd', path)",
    "link to a descriptor": "os.symlink('/proc/self/fd/3', path)",
    "link to the harness's root": "os.symlink('/proc/1/root/etc/shadow', path)",
    "pipe": "os.mkfifo(path)",
    "hard link": "open(path + '.first', 'w').write(line); os.link(path + '.first', path)",
    "folder": "os.mkdir(path)",
    "sparse file": "os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 29)",
    "many sparse files": "[os.truncate(os.open(path + f'{n}.jsonl', 66), 60 << 20) for n in range(3000)]",
    "deep": "open(path, 'w').write('[' * (1 << 20))",
    "odd": "json.dump(dict(payload=dict(type='token_count', info=dict(total_token_usage=[1]))), open(path, 'w'))",
    "lines": "open(path, 'w').write('\\n' * (8 << 20))",
    "replaced": (
        "open(path, 'w').write(line)\n"
        "if os.fork() == 0:\n"
        "    while True:\n"
        "        for plant in (os.mkfifo, lambda name: os.symlink('/etc/passwd', name)):\n"
        "            plant(path + 'x'); os.rename(path + 'x', path)\n"
    ),
    "its folder": "os.rename(folder, folder + 'x'); os.symlink('/etc', folder)",
    "its home": "os.rename(os.environ['HOME'], os.environ['HOME'] + 'x'); os.symlink('/etc', os.environ['HOME'])",
}


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_nothing_that_lies_where_the_harness_reads_leads_it_elsewhere_or_holds_it_up(run, tier, plant):
    code = (
        "line = json.dumps(dict(payload=dict(model='of another')))\n"
        "folder = os.environ['CODEX_HOME'] + '/.codex/sessions'; os.makedirs(folder)\n"
        f"path = folder + '/rollout-1.jsonl'\n{PLANTS[plant]}\n"
        "call(1); done()"
    )
    begin = time.monotonic()
    transcript = run(code, isolation=tier, tokens=1000)
    assert (transcript.end_reason, transcript.tool_calls) == (EndReason.FINISHED, 1)
    assert transcript.model in (None, "of another" if plant == "replaced" else None)
    assert time.monotonic() - begin < 25


def test_a_polite_cli_ends_at_the_interrupt_and_its_last_words_count(run):
    code = (
        "def stop(*_):\n    done(); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, stop)\ncall(1)\nwhile True: time.sleep(0.05)"
    )
    transcript = run(code, wall_s=2.0)
    assert transcript.end_reason is EndReason.TIMEOUT
    assert dict(transcript.tokens) == {"input": 10, "output": 5}


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"turns": 3}, "3 turns"), ({"tokens": 12}, "12 tokens"), ({"cost_usd": 0.001}, "0.001 US dollars")],
    ids=["turns", "tokens", "cost"],
)
def test_other_limits_end_it_too(run, limits, words, tmp_path, monkeypatch):
    prices = tmp_path / "prices.toml"
    prices.write_text('[models."gpt-x"]\ninput = 1000.0\noutput = 1000.0\n')
    monkeypatch.setenv("SCRIBE_PRICES", str(prices))
    monkeypatch.setattr(listening, "LOOK_S", 0.1)
    code = (
        "folder = os.environ['CODEX_HOME'] + '/.codex/sessions'; os.makedirs(folder)\n"
        "usage = dict(input_tokens=10, output_tokens=5)\n"
        "with open(folder + '/rollout-1.jsonl', 'w') as file:\n"
        "    print(json.dumps(dict(payload=dict(model='gpt-x'))), file=file)\n"
        "    print(json.dumps(dict(payload=dict(type='token_count', info=dict(total_token_usage=usage)))), file=file)\n"
        "for number in range(200):\n    call(number); time.sleep(0.1)\n"
    )
    transcript = run(code, **limits)
    assert transcript.end_reason is EndReason.LIMIT
    assert words in transcript.detail
    assert transcript.tool_calls < 100


def test_what_reached_a_limit_is_recorded_though_the_cli_s_sums_shrink_when_it_is_interrupted(run, monkeypatch):
    monkeypatch.setattr(listening, "LOOK_S", 0.1)
    code = (
        "folder = os.environ['CODEX_HOME'] + '/.codex/sessions'; os.makedirs(folder)\n"
        "def count(tokens):\n"
        "    usage = dict(input_tokens=tokens, output_tokens=0)\n"
        "    line = json.dumps(dict(payload=dict(type='token_count', info=dict(total_token_usage=usage))))\n"
        "    open(folder + '/rollout-1.jsonl', 'w').write(line + '\\n')\n"
        "def stop(*_):\n    count(7810); done(); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, stop)\ncount(9021)\ncall(1)\nwhile True: time.sleep(0.05)"
    )
    result = run(code, tokens=9000)
    assert (result.end_reason, result.detail) == (EndReason.LIMIT, "The limit of 9000 tokens was reached.")
    assert dict(result.tokens) == {"input": 9021, "output": 0}
    assert json.loads((run.outputs / "transcript.json").read_text())["tokens"]["input"] == 9021


COUNTED = "count = {path!r}\nopen(count, 'a').write('x')\ntries = len(open(count).read())\n"
FAIL = "say(type='turn.failed', error=dict(message='unexpected status 503 Service Unavailable')); sys.exit(1)\n"


def test_a_failure_before_the_first_tool_call_is_tried_again(run, tmp_path):
    count = COUNTED.format(path=str(tmp_path / "count"))
    transcript = run(count + "if tries < 3:\n    " + FAIL + "call(1); done()")
    assert transcript.end_reason is EndReason.FINISHED
    assert (tmp_path / "count").read_text() == "xxx"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "cause", "tries"),
    [
        (FAIL, "server_error", 3),
        ("call(1); " + FAIL, "server_error", 1),
        (FAIL.replace("503 Service Unavailable", "401 Unauthorized"), "auth_rejected", 1),
        (FAIL.replace("503 Service Unavailable", "404 Not Found"), "request_refused", 1),
        ("call(1); " + FAIL.replace("503 Service Unavailable", "404 Not Found"), "request_refused", 1),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "cli_crashed", 3),
        ("say(type='item.started', item=3)", "unknown_event", 1),
    ],
    ids=["always", "after a call", "login", "model", "model gone", "signal", "unknown"],
)
def test_what_can_not_be_helped_is_not_tried_again(run, tmp_path, code, cause, tries):
    with pytest.raises(AttemptFailedError) as caught:
        run(COUNTED.format(path=str(tmp_path / "count")) + code)
    assert caught.value.cause == cause
    assert len((tmp_path / "count").read_text()) == tries
    assert caught.value.result.version == "fake 1.2.3"


SAYS = "say(type='item.completed', item=dict(id='0', type='agent_message', text='I begin.'))\n"


def fails(message):
    return FAIL.replace("unexpected status 503 Service Unavailable", message)


#: What an agent may have brought about, and as what it counts.
BROUGHT_ABOUT = {
    "no last event": ("call(1); os._exit(0)", "cli_broke_off"),
    "exit code": ("call(1); done(); sys.exit(7)", "cli_broke_off"),
    # what a tool has printed may stand in stderr
    "planted words": ("call(1); print('Error: 503 Unavailable', file=sys.stderr); sys.exit(1)", "cli_broke_off"),
    "kill": (f"{SAYS}os.kill(os.getpid(), signal.SIGKILL)", "cli_broke_off"),
    "pretended": (f"{SAYS}print('sandbox: X: [Errno 2] hi', file=sys.stderr); sys.exit(125)", "cli_broke_off"),
    "surrogate": (f"call(1); {fails('status 400: no low surrogate in string')}", "conversation_refused"),
    "context": (f"call(1); {fails('Prompt is too long')}", "context_overflow"),
    "output": (f"call(1); {fails('Incomplete response, reason: max_output_tokens')}", "unusable_output"),
    "declined": (fails("400: this prompt was flagged as violating our usage policy"), "declined"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", BROUGHT_ABOUT)
def test_what_an_agent_may_have_brought_about_counts_and_is_not_tried_again(run, tmp_path, way):
    code, failure = BROUGHT_ABOUT[way]
    result = run(COUNTED.format(path=str(tmp_path / "count")) + code)
    assert result.failure == failure
    assert result.end_reason is (EndReason.LIMIT if failure == "context_overflow" else EndReason.FAILED)
    assert result.detail.startswith(CAUSES[failure].meaning)
    assert len((tmp_path / "count").read_text()) == 1
    assert json.loads((run.outputs / "transcript.json").read_text())["end_reason"] == failure


def test_the_login_is_named_when_it_was_refused(run):
    with pytest.raises(AttemptFailedError, match=r"401 Unauthorized. .* or run `codex login`, or set OPENAI_API_KEY"):
        run(FAIL.replace("503 Service Unavailable", "401 Unauthorized"))


def test_a_cli_that_falls_silent_is_stopped(run, monkeypatch):
    monkeypatch.setattr(meter, "SILENCE_S", 0.5)
    monkeypatch.setattr(driver, "BACKOFF_S", ())
    for code, cause in (("time.sleep(60)", "no_response"), ("call(1); time.sleep(60)", "stalled")):
        with pytest.raises(AttemptFailedError) as caught:
            run(code, cell_s=0.5)
        assert caught.value.cause == cause


def test_a_service_that_never_answers_does_not_count_against_the_agent(run):
    with pytest.raises(AttemptFailedError) as caught:
        run("say(type='turn.started'); time.sleep(60)", wall_s=1.0)
    assert caught.value.cause == "no_response"


def test_too_many_requests_hold_up_all_workers(run, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "RATE_PAUSE_S", 1.0)
    slots = Slots(tmp_path / "shared", "fake")
    count = COUNTED.format(path=str(tmp_path / "count"))
    begin = time.monotonic()
    transcript = run(
        count + "if tries < 2:\n    " + FAIL.replace("503 Service Unavailable", "429") + "call(1); done()", slots
    )
    assert transcript.end_reason is EndReason.FINISHED
    assert time.monotonic() - begin > 0.9
    assert (tmp_path / "shared" / "fake.pause").exists()


def test_a_missing_cli_and_a_missing_login_say_what_to_do(run, monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        InfrastructureError, match=r"No login of Fake CLI was found\. Log in: run `codex login`"
    ) as caught:
        run("done()")
    assert caught.value.cause == "not_logged_in"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SCRIBE_FAKE_BIN", "/nowhere/fake --option")
    with pytest.raises(
        InfrastructureError, match="SCRIBE_FAKE_BIN names '/nowhere/fake --option', which is no"
    ) as caught:
        binary.find_binary(FakeAdapter, os.environ)
    assert caught.value.cause == "cli_missing"


def test_the_doctor_learns_what_is_there(monkeypatch, tmp_path):
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\necho 2.0.1\n")
    program.chmod(0o755)
    environ = {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "ANTHROPIC_API_KEY": KEY,
        "SCRIBE_GEMINI_BIN": "/nowhere/g",
    }
    found = {row.provider: row for row in diagnosis.diagnose_clis(environ)}
    assert list(found) == ["claude", "codex", "gemini", "inspect"]
    assert found["claude"].ready
    assert (found["claude"].command, found["claude"].version) == (str(program), "2.0.1")
    assert found["claude"].login == "ANTHROPIC_API_KEY"
    assert found["codex"].command is None
    assert "There is no program codex on PATH" in found["codex"].advice[0]
    assert "No login was found" in found["codex"].advice[1]
    assert "names '/nowhere/g'" in found["gemini"].advice[0]
    assert not any("login" in advice for advice in found["inspect"].advice)  # which one depends on the model
    assert KEY not in repr(found)
