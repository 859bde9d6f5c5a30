"""Programs of the user's own as agents: found, run, watched, kept."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import NOT_ISOLATED, AttemptContext, AttemptFailedError, EndReason, Limits
from scribe_suite.providers.builtin.command import CommandProvider
from scribe_suite.providers.clis import process
from scribe_suite.sandbox import launching
from scribe_suite.sandbox.launching import ProgramLimits
from scribe_suite.sandbox.probing import best_tier
from scribe_suite.sandbox.program_gaps import agent_gaps
from scribe_suite.sandbox.tiers import IsolationTier

#: Where programs have a file system of their own, and where they have nothing of the kind.
TIERS = [tier for tier in (best_tier(), IsolationTier("none")) if tier.own_root or not tier.confined]
EXAMPLE = Path(__file__).parents[3] / "examples" / "my_agent.py"
SOLVE_TOY = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='above ten')"
#: Ends as the sandbox does when it can't start a program.
END_PRETENDED = "sys.stderr.write('sandbox: X: [Errno 2] hi\\n'); sys.stderr.flush(); sys.exit(125)"
SECRET = "sk-a-secret-of-the-user"


def program(folder: Path, code: str) -> str:
    path = folder / "agent"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
    path.chmod(0o755)
    return str(path)


def run(
    folder: Path, named: str, wall_s: float = 30.0, isolation: IsolationTier = NOT_ISOLATED, tools_seen: bool = False
):
    endpoint = NotebookEndpoint(Path("/run/notebook socket"), ("python", "-S", "/run/notebook socket"))
    return CommandProvider().attempt(
        AttemptContext(
            "the prompt", endpoint, Limits(wall_s, 5.0), named, folder, isolation=isolation,
            tools_seen=lambda: tools_seen,
        )
    )  # fmt: skip


def example(folder: Path, code: str, more: str = "", name: str = "my_agent") -> None:
    """The example of the documentation, with another thought."""
    text = EXAMPLE.read_text()
    begin = text.index('code = """')
    end = text.index('"""\n', begin + 10) + 4
    agent = folder / name
    agent.write_text(f"{text[:begin]}code = {code!r}\n{text[end:]}{more}")
    agent.chmod(0o755)


@pytest.mark.slow
def test_the_example_agent_solves_the_toy_task(suite):
    example(suite.folder, SOLVE_TOY)
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": "solved"}, done.output
    (printed,) = done.folder.glob("runs/*/outputs/command.stdout.txt")
    lines = printed.read_text().splitlines()
    assert lines[0] == "ok"
    assert "'accepted': True" in lines[1]


@pytest.mark.slow
def test_an_agent_whose_interpreter_is_a_version_manager_s_runs(suite, tmp_path, monkeypatch):
    example(suite.folder, SOLVE_TOY)
    manager = tmp_path / "manager"
    starts = {"shims/python3": manager / "libexec/start", "libexec/start": Path(sys.executable).resolve()}
    for name, target in starts.items():
        (manager / name).parent.mkdir(parents=True)
        (manager / name).write_text(f'#!/usr/bin/env bash\nexec "{target}" "$@"\n')
        (manager / name).chmod(0o755)
    for folder in (manager, *manager.parents[:2]):  # the program has a user id of its own
        folder.chmod(0o755)
    monkeypatch.setenv("PATH", str(manager / "shims"), prepend=":")
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": "solved"}, done.output


LOOK = """
import pathlib, stat
def told(path):
    try:
        path = pathlib.Path(path)
        return sorted(os.listdir(path)) if path.is_dir() else len(path.read_bytes())
    except OSError as error:
        return type(error).__name__
found = {path: told(path) for path in PATHS}
pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
found["environments"] = [pid for pid in pids if isinstance(told(f"/proc/{pid}/environ"), int)]
found["sockets"] = [str(path) for path in pathlib.Path("/tmp").rglob("*.sock")]
found["home"], found["work"] = told(os.environ["HOME"]), told(os.getcwd())
sys.stdout.write(json.dumps(found) + "\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(not best_tier().own_root, reason="no file system of its own here")
def test_a_program_sees_no_key_no_ledger_no_attempt_and_nothing_of_the_user(suite):
    (suite.folder / "runs").mkdir()
    other = suite.folder / "runs" / "another_attempt"
    other.mkdir()
    (other / "answer.json").write_text("{}")
    places = [suite.folder, suite.folder / "ground_truth", suite.folder / "runs", other, other / "answer.json"]
    places += [suite.folder / "conftest.py", Path.home() / ".profile", Path.home() / ".config"]
    paths = [str(place) for place in places]
    example(suite.folder, SOLVE_TOY, LOOK.replace("PATHS", repr(paths)))
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": "solved"}, done.output
    (printed,) = done.folder.glob("runs/*/outputs/command.stdout.txt")
    found = json.loads(printed.read_text().splitlines()[-1])
    # of the checkout there is the program itself, and of its folders those that lead to what connects the notebook
    assert set(found.pop(paths[0])) <= {"my_agent", "src"}
    assert {path: found.pop(path) for path in paths[1:]} == dict.fromkeys(paths[1:], "FileNotFoundError")
    assert len(found.pop("sockets")) == 1
    assert len(found.pop("environments")) == 1
    assert found == {"home": [], "work": []}
    header = done.ledger.header
    assert (header.agent_isolation, header.agent_isolation_gaps) == ("namespaces", agent_gaps(best_tier()))


@pytest.mark.skipif(not best_tier().own_root, reason="no file system of its own here")
def test_further_folders_are_shown_and_hidden_ones_refused(tmp_path, monkeypatch):
    data = tmp_path / "data"
    for folder in (data, tmp_path / "own", tmp_path / "outputs"):
        folder.mkdir()
    (data / "weights").write_text("weights")
    monkeypatch.setenv("SCRIBE_COMMAND_FOLDERS", str(data))
    named = program(tmp_path / "own", f"print(open('{data}/weights').read(), open(__file__).read(2))")
    context = AttemptContext(
        "the prompt", NotebookEndpoint(Path("/run/none"), ("python",)), Limits(30.0, 5.0), named, tmp_path / "outputs",
        isolation=best_tier(),
    )  # fmt: skip
    CommandProvider().attempt(context)
    assert (tmp_path / "outputs" / "command.stdout.txt").read_text() == "weights #!\n"
    monkeypatch.setenv("SCRIBE_COMMAND_FOLDERS", str(tmp_path))
    with pytest.raises(InfrastructureError, match=f"SCRIBE_COMMAND_FOLDERS names {tmp_path}, which contains") as caught:
        CommandProvider().attempt(context)
    assert caught.value.cause == "isolation_unavailable"


@pytest.mark.skipif(not best_tier().own_root, reason="no file system of its own here")
def test_using_too_much_memory_is_a_limit_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "PROGRAM_LIMITS", ProgramLimits(memory_bytes=256 << 20))
    (tmp_path / "own").mkdir()
    named = program(tmp_path / "own", "x = [bytearray(b'x' * (64 << 20)) for _ in range(16)]; time.sleep(30)")
    transcript = run(tmp_path, named, isolation=best_tier())
    assert transcript.end_reason is EndReason.LIMIT
    assert transcript.detail == "It used more than 0.25 GiB of memory."


def test_what_it_prints_is_kept_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "MAX_LINES", 1 << 20)
    monkeypatch.setattr(process, "MAX_PRINTED", 1 << 10)
    transcript = run(tmp_path, program(tmp_path, "while True: print('x' * 9999); print('y' * 99, file=sys.stderr)"))
    assert (transcript.end_reason, transcript.detail) == (EndReason.LIMIT, "It printed more than 1 MiB.")
    assert (tmp_path / "command.stdout.txt").stat().st_size < 2 << 20
    assert (tmp_path / "command.stderr.txt").stat().st_size <= 1 << 10


def test_home_and_working_folder_are_its_own_and_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/of/the/user")
    code = "print(os.listdir(), os.listdir(os.environ['HOME']), 'XDG_CONFIG_HOME' in os.environ)"
    run(tmp_path, program(tmp_path, code))
    assert (tmp_path / "command.stdout.txt").read_text() == "[] [] False\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    [
        "sys.exit(3)",
        # what the sandbox says of a program that could not be started, and what nobody can read
        "sys.stderr.write('sandbox: X: [Errno ' + '9' * 5000 + '] hi\\n'); sys.stderr.flush(); sys.exit(125)",
        END_PRETENDED,
    ],
)
def test_an_answer_that_came_in_counts_whatever_becomes_of_the_agent(suite, end):
    example(suite.folder, SOLVE_TOY, f"{end}\n")
    (record,) = suite.run("--provider", "command:./my_agent").ledger.attempts
    assert (record.outcome, record.end_reason) == ("solved", "failed")
    assert "agent_failed:command_broke_off" in record.flags


#: Ways to leave an attempt, before and after the tools were seen.
LEAVES = {
    "exit": "sys.exit(3)",
    "pretend": END_PRETENDED,
    "kill": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
    "raise": "raise ConnectionError('503 Service Unavailable')",
}


@pytest.mark.core
@pytest.mark.slow
def test_an_agent_that_has_seen_the_tools_can_t_leave_its_attempt_uncounted(suite):
    for name, end in LEAVES.items():
        example(suite.folder, SOLVE_TOY, name=name)
        agent = suite.folder / name
        talk, _, rest = agent.read_text().partition("    try:\n        work()")
        assert rest
        # outside of what the example catches
        agent.write_text(f"{talk}    request('tools/list')\nfinally:\n    pass\n{end}\n")
    # one that calls what it knows by name has asked for no list, and one that never gets so far has seen nothing
    example(suite.folder, SOLVE_TOY, name="knows")
    (suite.folder / "knows").write_text(
        (suite.folder / "knows").read_text().replace("submit_answer", "nothing") + "sys.exit(3)\n"
    )
    program(suite.folder, "sys.exit(3)")
    done = suite.run("--provider", ",".join(f"command:./{name}" for name in (*LEAVES, "knows", "agent")))
    outcomes = {
        name.removeprefix("toy-command:./").removesuffix("-t0"): outcome for name, outcome in done.outcomes.items()
    }
    assert outcomes.pop("agent") == "infrastructure:command_failed", done.output
    assert outcomes == dict.fromkeys((*LEAVES, "knows"), "no_answer"), done.output
    for record in done.ledger.attempts:
        assert "ended with exit code" in record.reason


def last_words(run):
    """What the example printed, and what it said at its end."""
    (folder,) = (path.parent for path in run.folder.glob("runs/*/outputs/command.stdout.txt"))
    return (folder / "command.stdout.txt").read_text(), (folder / "command.stderr.txt").read_text()


#: What goes wrong in a real notebook -> what the example's cell does, its last words, and the outcome.
TROUBLES = {
    "dead kernel": ("import os; os._exit(3)", "execute_code: Error: The kernel of session s2 died", "no_answer"),
    "error in the cell": ("1 / 0", "execute_code: the cell ended with the status error", "no_answer"),
    "refused answer": (
        "answer = 'none'",
        "submit_answer: accepted: false message: The answer is a JSON str",
        "invalid_answer",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_example_agent_tries_again_and_then_ends_with_a_clear_message(suite, trouble):
    code, words, outcome = TROUBLES[trouble]
    example(suite.folder, code)
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": outcome}, done.output
    printed, said = last_words(done)
    assert printed.count("once more, in a new session, because of ") == 1
    assert said.startswith(f"my_agent gives up: NotebookError: {words}")
    assert said.count("\n") == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_example_agent_goes_on_after_a_kernel_died(suite):
    example(suite.folder, SOLVE_TOY)
    agent = suite.folder / "my_agent"
    first, _, second = agent.read_text().partition("        work()\n")
    lost = "        code, kept = 'import os; os._exit(3)', code\n        work()\n"
    agent.write_text(first + lost + second.replace("        work()\n", "        code = kept\n        work()\n"))
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": "solved"}, done.output
    printed, said = last_words(done)
    assert printed.startswith(
        "once more, in a new session, because of execute_code: Error: The kernel of session s1 died"
    )
    assert said == ""


class Server:
    """A notebook's socket that answers as it is told: method or tool -> replies, the last of which is repeated."""

    def __init__(self, folder: Path, replies: dict) -> None:
        self.path = folder / "s"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.replies = replies
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rw") as lines:
            for message in map(json.loads, lines):
                if "id" not in message:
                    continue
                left = self.replies[message["params"].get("name", message["method"])]
                reply = left.pop(0) if len(left) > 1 else left[0]
                if reply is None:
                    return
                lines.write('{"jsonrpc": "2.0", "method": "notifications/message", "params": {}}\n')
                lines.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}) + "\n")
                lines.flush()


def structured(**value):
    return {"result": {"content": [], "structuredContent": value}}


ERROR = {"error": {"code": -32603, "message": "Internal error"}}
REFUSED = {"result": {"content": [{"type": "text", "text": "Error: too many sessions"}], "isError": True}}
FINE = {
    "initialize": [structured()],
    "start_new_session": [structured(session_id="s1")],
    "execute_code": [structured(status="ok")],
    "submit_answer": [structured(accepted=True)],
}


@pytest.mark.parametrize(
    ("replies", "code", "printed", "said"),
    [
        ({}, 0, "ok\n{'accepted': True}\n", ""),
        ({"execute_code": [ERROR, structured(status="ok")]}, 0, "execute_code: Internal error\nok\n{'accepted'", ""),
        ({"execute_code": [ERROR]}, 1, "once more", "my_agent gives up: NotebookError: tools/call execute_code: Int"),
        ({"start_new_session": [REFUSED]}, 1, "once more", "start_new_session: Error: too many sessions"),
        ({"initialize": [ERROR]}, 1, "", "my_agent gives up: NotebookError: initialize: Internal error"),
        ({"execute_code": [None]}, 1, "", "ConnectionError: tools/call execute_code: the notebook has"),
        ({"submit_answer": [{"result": {}}]}, 1, "ok", "my_agent gives up: KeyError: 'structuredContent'"),
    ],
)  # fmt: skip
def test_the_example_agent_survives_error_replies(tmp_path, replies, code, printed, said):
    server = Server(tmp_path, {name: list(replies.get(name, fine)) for name, fine in FINE.items()})
    done = subprocess.run(
        [sys.executable, EXAMPLE], input="the prompt", env={"SCRIBE_MCP_SOCKET": str(server.path)}, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert printed in done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == bool(said)


@pytest.mark.core
@pytest.mark.slow
def test_the_example_agent_works_as_it_is_on_a_real_task(tmp_path):
    named = f"command:{EXAMPLE}"
    command = [sys.executable, "-m", "pytest", "benchmarks/circuits", "-k", "mlp_only", "--provider", named]
    command += ["--results-dir", str(tmp_path), "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=EXAMPLE.parents[1], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    (ledger,) = tmp_path.glob("*.jsonl")
    (record,) = read_ledger(ledger).attempts
    assert record.outcome == "unsolved", record.reason
    assert record.metrics["recall"] == 1.0


def test_it_gets_prompt_socket_and_command_and_its_output_is_kept_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", SECRET)
    code = (
        "print(sys.stdin.read()); print(os.environ['SCRIBE_MCP_SOCKET']); print(os.environ['SCRIBE_MCP_COMMAND'])\n"
        "print(os.environ['MY_API_KEY']); print(os.environ['MY_API_KEY'], file=sys.stderr)"
    )
    assert run(tmp_path, program(tmp_path, code)).end_reason is EndReason.FINISHED
    assert (tmp_path / "command.stdout.txt").read_text().splitlines() == [
        "the prompt",
        "/run/notebook socket",
        "python -S '/run/notebook socket'",
        "[secret]",
    ]
    assert (tmp_path / "command.stderr.txt").read_text() == "[secret]\n"


def test_another_exit_code_is_a_failure_with_its_last_words(tmp_path):
    named = program(tmp_path, "sys.exit(3 if print('out of luck', file=sys.stderr) is None else 0)")
    with pytest.raises(AttemptFailedError, match=r"exit code 3 after .* s: out of luck") as caught:
        run(tmp_path, named)
    assert caught.value.cause == "command_failed"
    result = run(tmp_path, named, tools_seen=True)
    assert (result.end_reason, result.failure) == (EndReason.FAILED, "command_broke_off")
    assert result.detail.endswith("s: out of luck")


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_a_program_that_has_run_can_t_pretend_that_it_was_never_started(tmp_path, tier):
    (tmp_path / "own").mkdir()
    named = program(tmp_path / "own", END_PRETENDED)
    assert run(tmp_path, named, isolation=tier, tools_seen=True).failure == "command_broke_off"


def supervisors() -> set[psutil.Process]:
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended since
            if child.cmdline()[:1] == ["scribe supervisor"]:
                found.add(child)
    return found


@pytest.mark.skipif(not best_tier().own_root, reason="elsewhere a program may have done it itself")
def test_a_program_whose_sandbox_is_ended_from_outside_has_not_failed(tmp_path, monkeypatch):
    """Here by the test, in life by a system that is short of memory."""
    (tmp_path / "own").mkdir()
    named = program(tmp_path / "own", "print('up', flush=True); time.sleep(60)")
    take = process._Lines.next
    earlier = supervisors()  # of other tests in this process

    def kill(lines):
        line = take(lines)
        if line == "up\n":
            (supervisor,) = supervisors() - earlier
            supervisor.kill()
        return line

    monkeypatch.setattr(process._Lines, "next", kill)
    with pytest.raises(InfrastructureError, match="ended from outside") as caught:
        run(tmp_path, named, isolation=best_tier(), tools_seen=True)
    assert caught.value.cause == "agent_sandbox"


def test_time_is_limited(tmp_path):
    transcript = run(tmp_path, program(tmp_path, "time.sleep(60)"), wall_s=1.0)
    assert transcript.end_reason is EndReason.TIMEOUT


@pytest.mark.parametrize("named", ["./nothing_here", "/nonexistent/agent"])
def test_a_program_that_is_not_there_is_infrastructure(tmp_path, named):
    with pytest.raises(InfrastructureError, match=f"There is no program {named}") as caught:
        run(tmp_path, named)
    assert caught.value.cause == "command_missing"


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("./nosuch", "There is no program ./nosuch in {here}: give the path of a file that is there."),
        ("/nonexistent/agent", "There is no program /nonexistent/agent: give the path of a file that is there."),
        ("./plain", "./plain is not executable: allow it with `chmod +x ./plain`."),
        ("./folder", "./folder is a folder and no program: name a file that can be run."),
        ("./pipe", "./pipe is no regular file and no program: name a file that can be run."),
        (
            "no_such_program",
            "There is no program no_such_program on PATH: give a path as in command:./my_agent, or inst",
        ),
        ("plain", "There is no program plain on PATH: write command:./plain for the file here, or install it."),
    ],
)
def test_each_reason_why_a_program_can_not_be_run_has_a_sentence_of_its_own(tmp_path, monkeypatch, named, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o755)
    told = CommandProvider().refusal(named)
    assert told is not None
    assert told.startswith(sentence.format(here=tmp_path))


def test_a_program_that_can_be_run_is_not_refused(tmp_path):
    assert CommandProvider().refusal(program(tmp_path, "")) is None
    assert CommandProvider().refusal("sh") is None


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_program_that_is_not_there_or_not_executable_is_refused_before_anything_runs(suite, workers):
    (suite.folder / "plain").write_text("#!/bin/sh\n")
    for named, sentence in (
        ("./nosuch", "There is no program ./nosuch"),
        ("./plain", "./plain is not executable: allow it with `chmod +x ./plain`."),
    ):
        done = suite.run("--provider", f"null,command:{named}", *workers)
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        assert f"ERROR: --provider command:{named}: {sentence}" in done.output
        assert done.output.count(named) == sentence.count(named) + 1
    assert not list(suite.folder.glob("runs/*.jsonl"))


def test_a_file_that_is_no_program_is_infrastructure(tmp_path):
    path = tmp_path / "agent"
    path.write_text("print('no first line')\n")
    path.chmod(0o755)
    with pytest.raises(InfrastructureError, match="can't be run"):
        run(tmp_path, str(path))
