"""What isolated kernels can't do: each attempt is made inside a real kernel, against things that exist outside."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox.inside.supervisor import LOG_BYTES
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.runtime_folders import remove_tree
from tests.notebook.agent import Agent, Answer, play

REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACES = probe_isolation("auto")
needs_namespaces = pytest.mark.skipif(
    NAMESPACES.name != "namespaces", reason=f"namespaces do not work here: {'; '.join(NAMESPACES.reasons)}"
)
TRY = """
import ctypes, os, signal, socket, subprocess

def attempt(action):
    try:
        return "ALLOWED", repr(action())[:200]
    except BaseException as error:
        return "denied", f"{type(error).__name__}: {error}"

def connect(family, address):
    client = socket.socket(family)
    client.settimeout(2)
    client.connect(address)

def call(number, *arguments):
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
"""


@pytest.fixture(scope="module")
def keys() -> Iterator[Path]:
    """A folder with a secret below one that kernels are shown: the environment."""
    with tempfile.TemporaryDirectory(prefix="hidden-", dir=sys.prefix) as name:
        folder = Path(name)
        (folder / "answers").mkdir()
        (folder / "answers" / "key.json").write_text("the answer key")
        for path in (folder, folder / "answers"):
            path.chmod(0o755)
        yield folder


@pytest.fixture(scope="module", params=["own_uid", "user_namespace"])
def isolated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys: Path
) -> Iterator[NotebookServer]:
    """A server with isolated kernels, in both ways they are isolated: with a user id of their own where the harness is
    root, and in a user namespace."""
    if NAMESPACES.name != "namespaces":
        pytest.skip(f"namespaces do not work here: {'; '.join(NAMESPACES.reasons)}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "user_namespace":
            patch.setattr("scribe_suite.sandbox.sandbox.private_uid", lambda: None)
        elif not NAMESPACES.own_uid:
            pytest.skip("only root has user ids to give away")
        patch.setenv("SCRIBE_CANARY", "canary-in-the-environment")
        folder = tmp_path_factory.mktemp("attempt")
        (folder / "notebooks").mkdir()
        (folder / "notebooks" / "other.ipynb").write_text("{}")
        (folder / "notebooks").chmod(0o777)
        config = NotebookConfig(folder, hidden=(keys, REPOSITORY), isolation="strict")
        with NotebookServer(config) as server:
            play(server, lambda agent: agent.call("start_new_session"), session=False)
            yield server


def inside(server: NotebookServer, code: str) -> Answer:
    """Run code in the server's first kernel."""
    return play(server, lambda agent: agent.run(code), session_id="s1")


def outcome(server: NotebookServer, action: str) -> tuple[str, str]:
    """Whether an action was allowed inside a kernel, and what it gave or raised."""
    answer = inside(server, f"{TRY}\nprint(*attempt(lambda: {action}), sep='|')")
    verdict, _, detail = answer.output.partition("|")
    return verdict, detail


def test_what_lies_outside_cannot_be_read_or_written(isolated, tmp_path):
    home = Path.home() / ".bashrc"
    folder = isolated.endpoint.socket_path.parent
    paths = [
        REPOSITORY / "ground_truth",
        REPOSITORY / "pyproject.toml",
        home,
        tmp_path,
        folder,
        "/etc/shadow",
        "/sys",
        "/var",
    ]
    checks = {f"look at {path}": f"os.stat({str(path)!r})" for path in paths}
    checks |= {
        "write into the environment": "open('/env/x', 'w')",
        "write to /usr": "open('/usr/x', 'w')",
        "write to /": "open('/x', 'w')",
        "write to /etc": "open('/etc/passwd', 'a')",
        "read the environment of init": "open('/proc/1/environ').read()",
        "look through init's root": "os.listdir('/proc/1/root')",
        "write a kernel setting": "open('/proc/sys/kernel/core_pattern', 'a')",
        "reach for the system request key": "open('/proc/sysrq-trigger', 'a')",
    }
    lines = "\n".join(f"print({name!r}, *attempt(lambda: {action}), sep='|')" for name, action in checks.items())
    answer = inside(isolated, f"{TRY}\n{lines}")
    results = [line.split("|") for line in answer.output.splitlines()]
    assert len(results) == len(checks)
    assert [result for result in results if result[1] != "denied"] == []


UNCOVER = """
def uncover(place):
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(0x10000000 | 0x20000)  # a user and a mount namespace of its own, where those are allowed
        libc.umount2(place.encode(), 2)
        libc.mount(os.path.dirname(place).encode(), b"/work/.see", None, 4096, None)
        seen = os.listdir(place) or (os.path.isdir("/work/.see") and "answers" in str(os.listdir("/work/.see")))
        os._exit(bool(seen))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def test_a_hidden_folder_below_one_that_is_shown_is_empty_and_stays_so(isolated, keys):
    shown = f"/env/{keys.name}"
    assert (keys / "answers" / "key.json").read_text() == "the answer key"
    assert outcome(isolated, f"os.listdir({shown!r})") == ("ALLOWED", "[]")
    assert outcome(isolated, f"open('{shown}/answers/key.json').read()")[0] == "denied"
    assert outcome(isolated, f"open({str(keys / 'answers' / 'key.json')!r}).read()")[0] == "denied"
    assert outcome(isolated, f"open('{shown}/x', 'w')")[0] == "denied"
    answer = inside(isolated, f"{TRY}\n{UNCOVER}\nos.makedirs('/work/.see', exist_ok=True)\nprint(uncover({shown!r}))")
    assert answer.output == "0"


@needs_namespaces
def test_an_attempt_folder_below_one_that_is_shown_is_hidden_without_being_named(keys):
    with NotebookServer(NotebookConfig(keys / "attempt", isolation="strict")) as server:
        seen = play(server, lambda agent: agent.run(f"import os; print(os.listdir('/env/{keys.name}/attempt'))"))
        assert (keys / "attempt" / "notebooks" / "notebook.ipynb").exists()
    assert seen.output == "[]"


@needs_namespaces
def test_hiding_what_a_kernel_needs_is_refused(tmp_path):
    for folder in (sys.prefix, "/usr"):
        with pytest.raises(InfrastructureError, match=f"{folder} must be hidden") as caught:
            NotebookServer(NotebookConfig(tmp_path, hidden=(Path(folder),))).start()
        assert caught.value.cause == "isolation_unavailable"


def test_the_working_folder_and_tmp_can_be_written(isolated):
    assert (
        outcome(isolated, "[open(f'{place}/x', 'w').write('ok') for place in ('/work', '/tmp', '/dev/shm')]")[0]
        == "ALLOWED"
    )


def test_no_variable_of_the_harness_reaches_any_process_inside(isolated):
    code = """
import os
seen = repr(dict(os.environ))
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        seen += open(f'/proc/{pid}/environ').read()
    except OSError:
        pass
print('PATH' in seen, 'canary' in seen)
"""
    assert os.environ["SCRIBE_CANARY"]
    assert inside(isolated, code).output == "True False"


def test_there_is_no_network(isolated):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0scribe-test-abstract")
        abstract.listen()
        port = listener.getsockname()[1]
        assert outcome(isolated, f"connect(socket.AF_INET, ('127.0.0.1', {port}))")[0] == "denied"
        assert outcome(isolated, "connect(socket.AF_UNIX, '\\0scribe-test-abstract')")[0] == "denied"
    assert (
        outcome(isolated, "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))")[0]
        == "denied"
    )


def test_the_mcp_socket_cannot_be_reached(isolated):
    path = str(isolated.endpoint.socket_path)
    assert outcome(isolated, f"connect(socket.AF_UNIX, {path!r})") == (
        "denied",
        "FileNotFoundError: [Errno 2] No such file or directory",
    )


def test_processes_outside_can_be_neither_seen_nor_signalled(isolated):
    with subprocess.Popen(["sleep", "60"]) as victim:
        try:
            assert outcome(isolated, f"os.kill({victim.pid}, 9)")[0] == "denied"
            assert outcome(isolated, f"os.kill({os.getpid()}, 0)")[0] == "denied"
            assert victim.poll() is None
        finally:
            victim.kill()
    pids = outcome(isolated, "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())")[1]
    assert max(json.loads(pids)) < 100


def test_privileges_cannot_be_gained(isolated):
    wanted = ("CapEff", "CapBnd", "NoNewPrivs")
    code = f"print([line.split()[1] for line in open('/proc/self/status') if line.startswith({wanted})])"
    assert inside(isolated, code).output == "['0000000000000000', '0000000000000000', '1']"
    assert outcome(isolated, "os.setuid(0)")[0] == "denied"
    assert outcome(isolated, "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)")[0] == "denied"
    assert outcome(isolated, "os.mknod('/work/disk', 0o60600, os.makedev(254, 0))")[0] == "denied"


def test_the_journal_cannot_be_forged_through_a_link_in_the_working_folder(isolated, tmp_path):
    target = isolated._config.notebooks / "notebook.journal.jsonl"

    async def scenario(agent: Agent) -> Answer:
        return await agent.run(
            f"import os\nos.symlink({str(target)!r}, '/work/out')\nopen('/work/out', 'w').write('forged')"
        )

    answer = play(isolated, scenario, session_id="s1")
    assert answer.payload["outputs"][0]["name"] == "FileNotFoundError"
    assert [json.loads(line)["event"] for line in target.read_text().splitlines()][:2] == ["journal", "session_started"]


def test_tmp_is_bounded(isolated):
    verdict, detail = outcome(isolated, "[open(f'/tmp/{n}', 'wb').write(bytes(64 << 20)) for n in range(12)]")
    assert (verdict, "No space left" in detail) == ("denied", True)


def test_what_a_kernel_starts_dies_with_it(isolated):
    seconds = str(100_000 + os.getpid())  # other workers may run this test too

    async def scenario(agent: Agent) -> Answer:
        code = f"import subprocess\np = subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\nprint(p.pid)"
        answer = await agent.run(code)
        assert sleepers() == 1
        return answer

    def sleepers() -> int:
        commands = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                commands.append(process.cmdline())
        return commands.count(["sleep", seconds])

    play(isolated, scenario)
    assert sleepers() == 0


def test_the_tier_none_is_said_to_be_none_and_why(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path, isolation="none")) as server:
        assert (server.status().isolation, server.status().isolation_reasons) == (
            "none",
            ("isolation none was asked for",),
        )
        assert play(server, lambda agent: agent.run("import os; os.getcwd()")).payload["status"] == "ok"


@pytest.mark.core
@pytest.mark.slow
@needs_namespaces
def test_a_kernel_does_not_outlive_a_harness_that_is_killed(tmp_path):
    code = f"""
import asyncio, pathlib, sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from tests.notebook.agent import connected

async def main(server):
    async with connected(server.endpoint.pump_argv) as agent:
        await agent.start()
        print(server.endpoint.socket_path.parent, flush=True)
        await agent.run("import time; time.sleep(100)")

server = NotebookServer(NotebookConfig(pathlib.Path({str(tmp_path)!r})))
server.start()
asyncio.run(main(server))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        runtime = Path(harness.stdout.readline().strip())
        family = psutil.Process(harness.pid).children(recursive=True)
        assert any("fork-server" in " ".join(process.cmdline()) for process in family)
        harness.kill()
    _gone, alive = psutil.wait_procs(family, timeout=5)
    remove_tree(runtime)  # the one thing that stays when nobody is left to remove it, until the next harness starts
    assert alive == []


@needs_namespaces
def test_however_many_notebooks_there_are_the_disk_has_their_files_once(tmp_path):
    async def scenario(agent: Agent) -> list[Answer]:
        answers = []
        for _ in range(3):
            await agent.start()
            answers.append(await agent.run("print(open('big').read(3)); open('mine', 'w').close()"))
            answers.append(await agent.run("import os; print(sorted(os.listdir()))"))
        return answers

    with NotebookServer(NotebookConfig(tmp_path, files={"big": b"big" * 300_000})) as server:
        answers = play(server, scenario)
        assert server._sandbox is not None
        laid = [path for path in server._sandbox._home.rglob("*") if path.is_file() and path.name == "big"]
    assert [answer.output for answer in answers] == ["big", "['big', 'mine']"] * 3
    assert len(laid) == 1


@needs_namespaces
def test_what_a_process_prints_is_kept_at_its_end_and_fills_no_disk(tmp_path):
    """What a kernel's own descriptors 1 and 2 led to when it was started; ipykernel keeps copies."""
    code = """
import fcntl, os
numbers = [int(name) for name in os.listdir('/proc/self/fd')]
sizes = []
for number in numbers:
    try:
        os.posix_fallocate(number, 0, 512 << 20)
        sizes.append(number)
    except OSError:
        pass
pipes = {}
for number in numbers:
    if os.path.exists(f'/proc/self/fd/{number}'):
        pipes.setdefault(os.readlink(f'/proc/self/fd/{number}'), []).append(number)
only_written = [
    same for link, same in pipes.items()
    if link.startswith('pipe:') and min(same) > 2
    if all(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY for number in same)
]
((log, _),) = only_written
for _ in range(400):
    os.write(log, b"n" * 65536)
os.write(log, b'the end of it')
print(sizes, os.path.isfile(f'/proc/self/fd/{log}'))
"""

    async def scenario(agent: Agent) -> Answer:
        return await agent.run(code)

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        answer = play(server, scenario)
        assert server._sandbox is not None
        (process,) = server._sandbox._processes
        assert answer.output == "[] False"
    kept = process.printed()
    assert kept.endswith("the end of it")
    assert len(kept) <= LOG_BYTES


@needs_namespaces
def test_neither_command_lines_nor_arguments_tell_how_a_kernel_is_sealed(tmp_path):
    code = """
import sys
lines = [open(f'/proc/{pid}/cmdline').read().strip('\\0') for pid in ('1', 'self')]
frame, seen = sys._getframe(), []
while frame:
    seen += [repr(value) for name, value in frame.f_locals.items() if name in ('request', 'imports', 'spec')]
    frame = frame.f_back
print(lines, sys.argv, sys.orig_argv, seen)
"""
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        told = play(server, lambda agent: agent.run(code)).output
    assert told.startswith("['init', 'ipykernel_launcher'] ['ipykernel_launcher']")
    assert "fork" not in told
    assert "seccomp" not in told
    assert str(tmp_path) not in told
