"""Programs of the user's own as agents: found, run, watched, kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Limits
from scribe_suite.providers.command import CommandProvider
from scribe_suite.results.ledger import read_ledger

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_agent.py"
SOLVE_TOY = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='above ten')"
SECRET = "sk-a-secret-of-the-user"


def program(folder: Path, code: str) -> str:
    path = folder / "agent"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
    path.chmod(0o755)
    return str(path)


def run(folder: Path, named: str, wall_s: float = 30.0):
    endpoint = NotebookEndpoint(Path("/run/notebook socket"), ("python", "-S", "/run/notebook socket"))
    return CommandProvider().attempt(AttemptContext("the prompt", endpoint, Limits(wall_s, 5.0), named, folder))


def example(folder: Path, code: str, more: str = "") -> None:
    """The example of the documentation, with another thought."""
    text = EXAMPLE.read_text()
    begin = text.index('code = """')
    end = text.index('"""\n', begin + 10) + 4
    agent = folder / "my_agent"
    agent.write_text(f"{text[:begin]}code = {code!r}\n{text[end:]}{more}")
    agent.chmod(0o755)


def test_the_example_agent_solves_the_toy_task(suite):
    example(suite.folder, SOLVE_TOY)
    done = suite.run("--provider", "command:./my_agent")
    assert done.outcomes == {"toy-command:./my_agent-t0": "solved"}, done.output
    (printed,) = done.folder.glob("runs/*/outputs/command.stdout.txt")
    lines = printed.read_text().splitlines()
    assert lines[0] == "ok"
    assert "'accepted': True" in lines[1]


@pytest.mark.slow
def test_an_answer_that_came_in_counts_whatever_becomes_of_the_agent(suite):
    example(suite.folder, SOLVE_TOY, "sys.exit(3)\n")
    (record,) = suite.run("--provider", "command:./my_agent").ledger.attempts
    assert (record.outcome, record.end_reason) == ("solved", "failed")
    assert "agent_failed:command_failed" in record.flags


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
    with pytest.raises(AttemptFailedError, match=r"exit code 3 after .* s: out of luck") as caught:
        run(tmp_path, program(tmp_path, "sys.exit(3 if print('out of luck', file=sys.stderr) is None else 0)"))
    assert caught.value.cause == "command_failed"


def test_time_is_limited(tmp_path):
    transcript = run(tmp_path, program(tmp_path, "time.sleep(60)"), wall_s=1.0)
    assert transcript.end_reason is EndReason.TIMEOUT


@pytest.mark.parametrize("named", ["./nothing_here", "/nonexistent/agent"])
def test_a_program_that_is_not_there_is_infrastructure(tmp_path, named):
    with pytest.raises(InfrastructureError, match=f"There is no program {named}") as caught:
        run(tmp_path, named)
    assert caught.value.cause == "command_missing"


def test_a_file_that_is_no_program_is_infrastructure(tmp_path):
    path = tmp_path / "agent"
    path.write_text("print('no first line')\n")
    path.chmod(0o755)
    with pytest.raises(InfrastructureError, match="can't be run"):
        run(tmp_path, str(path))
