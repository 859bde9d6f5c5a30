"""What code can do where it runs: say what it likes to the evaluation, and reach nothing else."""

from __future__ import annotations

import os
import platform
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from scribe_suite.paths import suite_root
from scribe_suite.sandbox import visible_files as shown
from tests.scoring.submitting import QUICK, needs_namespaces, problem, run

pytestmark = needs_namespaces

#: What code does that takes the runner's channel over; continues in the body of predict.
FIND_CHANNEL = """
import gc, json, os, socket, sys
def predict(prompts):
    channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket) and o.fileno() >= 0)"""


class TestForgery:
    """Code owns its process. It can say what it likes there, and no more than predictions comes of it."""

    @pytest.mark.core
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "line",
        [
            "[1]",
            "nonsense",
            "{}",
            '{"labels": 3}',
            '{"labels": [[1]]}',
            '{"labels": [' + ",".join(["[true]"] * 40) + "]}",
            '{"labels": [' + ",".join(["[1.0]"] * 40) + "]}",
            '{"labels": [' + ",".join(['["1"]'] * 40) + "]}",
            '{"predictions": [1], "exact_match": 1.0}',
            "[" * 100_000,
            '{"labels": ' + "9" * 10_000 + "}",
            "\\xff\\xfe",
            "",
        ],
        ids=range(13),
    )
    def test_a_forged_answer_that_is_no_predictions_is_refused(self, line):
        code = f"{FIND_CHANNEL}\n    channel.sendall({line!r}.encode() + b'\\n')\n    os._exit(0)"
        text, fault = problem(code)
        assert text == "The submitted function wrote something else than predictions to its channel."
        assert fault == "output"

    def test_forged_predictions_are_predictions_and_nothing_else(self):
        code = (
            FIND_CHANNEL
            + """
    channel.sendall(json.dumps({"labels": [[p[0]] for p in prompts], "score": 1, "problem": None}).encode() + b"\\n")
    os._exit(0)"""
        )
        result = run(code)  # the second run comes in several batches, of which this answers the first
        assert (result.predictions, result.fault) == (None, "output")
        assert run(code, [[4]]).predictions == ((4,),)

    def test_an_endless_stream_into_the_channel_is_not_read(self):
        code = f"{FIND_CHANNEL}\n    while True: channel.sendall(b'1' * 100_000)"
        assert problem(code)[1] == "output"

    def test_what_follows_the_first_line_is_not_read(self):
        code = f"""{FIND_CHANNEL}
    channel.sendall(json.dumps({{"labels": [[7] for p in prompts]}}).encode() + b"\\n{{\\nmore\\n")"""
        assert run(code, [[4]]).predictions == ((7,),)

    def test_a_forged_problem_is_the_codes_own_and_is_kept_short(self):
        words = "was right\\u0007\\nInfrastructureError: sandbox " + "x" * 5_000
        code = f"""{FIND_CHANNEL}
    channel.sendall(json.dumps({{"problem": "{words}"}}).encode() + b"\\n")"""
        text, fault = problem(code)
        assert fault == "failed"
        assert "\x07" not in text

    def test_patched_modules_change_only_ones_own_answer(self):
        code = """
import builtins, itertools, json
real = json.JSONEncoder.encode
def predict(prompts):
    json.JSONEncoder.encode = lambda self, value: real(self, {"labels": [[77] for _ in value["labels"]]})
    itertools.islice = builtins.iter
    builtins.len = builtins.isinstance = None
    return [1 for _ in prompts]
"""
        assert problem(code)[1] in ("failed", "killed")
        code = code.replace("    itertools.islice = builtins.iter\n    builtins.len = builtins.isinstance = None\n", "")
        assert set(run(code).predictions) == {(77,)}

    def test_neither_frames_nor_arguments_nor_objects_hold_more_than_code_and_prompts(self):
        code = """
import os, sys
def predict(prompts):
    seen = [repr(sys.argv), open("/proc/self/cmdline").read(), repr(dict(os.environ)), repr(os.listdir("/work"))]
    frame = sys._getframe()
    while frame is not None:
        seen.append(repr(frame.f_locals))
        frame = frame.f_back
    return [any("424" + "242" in text for text in seen)] * len(prompts)
"""
        os.environ["SCRIBE_CANARY"] = "424242"
        try:
            assert set(run(code).predictions) == {(0,)}
        finally:
            del os.environ["SCRIBE_CANARY"]


@pytest.mark.usefixtures("either_way")
class TestTheSandbox:
    def allowed(self, action: str, **options) -> bool:
        """Whether an action raises nothing inside."""
        code = f"""
import ctypes, os, socket, struct, subprocess, time
def call(number, *arguments):
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "call")
def predict(prompts):
    try:
        {action}
    except OSError:
        return [0] * len(prompts)
    return [1] * len(prompts)
"""
        result = run(code, **options)
        assert result.predictions is not None, result.problem
        return result.predictions[0] == (1,)

    @pytest.mark.core
    @pytest.mark.slow
    def test_the_checkout_cannot_be_read(self, tmp_path):
        root = suite_root()
        for path in (root / "ground_truth", root / "ground_truth" / "frozen", root / "pyproject.toml", tmp_path):
            assert path.exists()
            assert not self.allowed(f"os.stat({str(path)!r})")
        assert self.allowed(f"os.stat({sys.base_prefix!r})")

    def test_a_hidden_folder_below_the_environment_is_empty(self):
        with tempfile.TemporaryDirectory(prefix="hidden-", dir=sys.prefix) as name:
            (Path(name) / "key.json").write_text("{}")
            Path(name).chmod(0o755)
            inside = f"/env/{Path(name).name}/key.json" if shown.in_virtual_environment() else f"{name}/key.json"
            assert self.allowed(f"open({inside!r})")
            assert not self.allowed(f"open({inside!r})", hidden=(Path(name),))

    @pytest.mark.core
    @pytest.mark.slow
    def test_nothing_outlasts_it_and_no_disk_of_the_host_can_be_filled(self, short_folder):
        for place in ("/work", "/ipc", "/", "/usr", "/env"):
            assert not self.allowed(f"open({place + '/x'!r}, 'w')")
        assert self.allowed("open('/tmp/x', 'w')")
        assert not self.allowed("[open(f'/tmp/{n}', 'wb').write(bytes(8 << 20)) for n in range(20)]")
        assert list(short_folder.glob("*/slots/*")) == []

    def test_what_is_printed_goes_nowhere(self):
        code = """
import os
def predict(prompts):
    return [all(os.readlink(f"/proc/self/fd/{number}") == "/dev/null" for number in range(3))] * len(prompts)
"""
        assert set(run(code).predictions) == {(1,)}

    def test_there_is_no_network(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            assert not self.allowed(f"socket.create_connection(('127.0.0.1', {port}), 1)")
        datagram = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))"
        assert not self.allowed(datagram)

    def test_the_harness_cannot_be_signalled(self):
        assert not self.allowed(f"os.kill({os.getpid()}, 0)")

    def test_the_channel_takes_no_second_connection(self):
        assert not self.allowed("socket.socket(socket.AF_UNIX).connect('/ipc/s')")

    @pytest.mark.core
    @pytest.mark.slow
    def test_no_process_can_be_made_so_that_a_fork_bomb_stays_alone(self):
        code = """
import os
def predict(prompts):
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
        before = set(psutil.Process().children(recursive=True))
        begin = time.monotonic()
        with Watcher(lambda: len(set(psutil.Process().children(recursive=True)) - before)) as seen:
            assert problem(code, QUICK)[1] == "timeout"
        assert 3 <= max(seen.counts) <= 4  # the launcher's two, and the code; one of them may have a child being born
        assert time.monotonic() - begin < 10
        assert set(psutil.Process().children(recursive=True)) <= before

    @pytest.mark.core
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "action",
        [
            "os.fork()",
            "os.posix_spawn('/bin/true', ['true'], {})",
            "subprocess.run(['true'])",
            "call(56, 17, 0, 0, 0, 0)",  # clone with no flag but SIGCHLD
            "call(57)",
            "call(58)",
            "call(435, struct.pack('11Q', 0, 0, 0, 0, 17, *[0] * 6), 88)",
            "call(0x40000000 | 57)",
        ],
    )
    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86_64")
    def test_every_way_to_make_a_process_is_closed(self, action):
        assert not self.allowed(action)


class Watcher:
    """Samples a number in a thread while a block runs."""

    def __init__(self, sample) -> None:
        self.counts: list[int] = []
        self._sample = sample
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.counts.append(self._sample())

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
