from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scribe_suite.notebook import pump

ARGV = [sys.executable, "-S", "-E", pump.__file__]


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(10)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    return listener


def start(listener: socket.socket) -> tuple[subprocess.Popen[bytes], socket.socket]:
    process = subprocess.Popen([*ARGV, listener.getsockname()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection, _ = listener.accept()
    connection.settimeout(10)
    return process, connection


def test_the_end_of_stdin_is_passed_on_and_the_answer_still_comes_through(listener):
    process, connection = start(listener)

    def answer() -> None:
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
        connection.sendall(received[::-1])
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    data = os.urandom(3_000_000)
    out, _ = process.communicate(data, timeout=20)
    thread.join()
    assert out == data[::-1]
    assert process.returncode == 0


def test_it_ends_when_the_server_closes(listener):
    process, connection = start(listener)
    connection.close()
    assert process.wait(timeout=10) == 0
    assert process.stdin is not None
    process.stdin.close()


def test_it_ends_when_nobody_reads_its_output_any_more(listener):
    process, connection = start(listener)
    assert process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):  # it may have noticed already
        connection.sendall(b"late\n")
    assert process.wait(timeout=10) == 0
    # Linux says "reset" instead of "ended" where the pump left before it had read the last line.
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_a_socket_that_is_not_there_is_one_sentence(tmp_path):
    result = subprocess.run([*ARGV, str(tmp_path / "none")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "can't be reached: No such file or directory" in result.stderr


def test_it_says_how_it_is_used():
    result = subprocess.run(ARGV, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (2, "Usage: pump.py SOCKET\n")


def test_it_imports_nothing_outside_the_standard_library():
    code = (
        f"import runpy, sys; sys.argv = ['pump.py']\ntry: runpy.run_path({pump.__file__!r})\nexcept SystemExit: pass\n"
    )
    code += "print([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names and m != '__main__'])"
    out = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"
