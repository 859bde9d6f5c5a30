"""The filters: their programs run on a small BPF machine for both processors, and really installed on this one."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from scribe_suite.sandbox.inside import seccomp
from scribe_suite.sandbox.inside.seccomp import ALLOW, COMMON, ERROR, FORBIDDEN, KILL_PROCESS, MACHINES, POLICIES

REFUSED = ERROR | errno.EPERM
needs_seccomp = pytest.mark.skipif(not seccomp.supported(), reason="no filter of system calls here")


def verdict(policy: str, machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What a filter says of a call: a machine for the few instructions that are used (net/core/filter.c)."""
    program = seccomp.program(policy, machine)
    lines = [struct.unpack("HBBI", program[place : place + 8]) for place in range(0, len(program), 8)]
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, MACHINES[machine][0] if audit is None else audit, 0, *padded)
    place = accumulator = 0
    while True:
        code, if_true, if_false, value = lines[place]
        place += 1
        if code == seccomp.RETURN:
            return int(value)
        if code == seccomp.LOAD:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == seccomp.AND:
            accumulator &= value
        else:
            holds = {
                seccomp.JUMP_EQUAL: accumulator == value,
                seccomp.JUMP_AT_LEAST: accumulator >= value,
                seccomp.JUMP_BITS: bool(accumulator & value),
            }[code]
            place += if_true if holds else if_false


def number_of(machine: str, call: str) -> int | None:
    return {**MACHINES[machine][1], **COMMON}.get(call)


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_forbidden_is_refused_and_what_is_not_named_allowed(policy, machine):
    numbers = {call: number_of(machine, call) for call in FORBIDDEN}
    missing = {call for call, number in numbers.items() if number is None}
    assert missing <= {"iopl", "ioperm"}
    for number in numbers.values():
        if number is not None:
            assert verdict(policy, machine, number) == REFUSED
    named = {*MACHINES[machine][1].values(), *COMMON.values()}
    for number in set(range(450)) - named:
        assert verdict(policy, machine, number) == ALLOW


def test_calls_of_another_processor_end_the_process(machine):
    other = next(number for name, (number, _calls) in MACHINES.items() if name != machine)
    assert verdict("kernel", machine, 0, audit=other) == KILL_PROCESS
    assert verdict("kernel", machine, 0, audit=0x40000003) == KILL_PROCESS  # 32-bit x86
    assert verdict("kernel", machine, seccomp.X32_BIT + 1) == ERROR | errno.ENOSYS


NAMESPACES = (0x80, 0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_new_namespace(policy, machine):
    clone = number_of(machine, "clone")
    found = {flag: verdict(policy, machine, clone, flag | seccomp.CLONE_THREAD) for flag in NAMESPACES}
    assert found == dict.fromkeys(NAMESPACES, REFUSED)
    assert verdict(policy, machine, number_of(machine, "clone3")) == ERROR | errno.ENOSYS


@pytest.mark.parametrize(("policy", "processes"), [("kernel", ALLOW), ("no_connect", ALLOW), ("function", REFUSED)])
def test_threads_always_processes_by_policy(policy, processes, machine):
    clone = number_of(machine, "clone")
    assert verdict(policy, machine, clone, seccomp.CLONE_THREAD | 0x100) == ALLOW
    assert verdict(policy, machine, clone, 17) == processes  # SIGCHLD, as fork() passes it
    for call in ("fork", "vfork"):
        if (number := number_of(machine, call)) is not None:
            assert verdict(policy, machine, number) == processes


@pytest.mark.parametrize("policy", [name for name, rules in POLICIES.items() if not rules.network])
def test_only_unix_sockets(policy, machine):
    number = number_of(machine, "socket")
    others = (socket.AF_INET, socket.AF_INET6, 16, 17, 38, 40)  # the last four: netlink, packet, alg, vsock
    found = {family: verdict(policy, machine, number, family, 1) for family in others}
    assert found == dict.fromkeys(others, ERROR | errno.EOPNOTSUPP)
    assert verdict(policy, machine, number, socket.AF_UNIX, 1) == ALLOW


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6])
def test_agents_have_the_network(family, machine):
    assert verdict("agent", machine, number_of(machine, "socket"), family, 1) == ALLOW
    assert verdict("agent", machine, number_of(machine, "connect"), 3) == ALLOW


@pytest.mark.parametrize("family", [15, 17, 38, 40])  # key, packet, alg, vsock
def test_agents_have_no_other_sockets(family, machine):
    assert verdict("agent", machine, number_of(machine, "socket"), family, 1) == ERROR | errno.EAFNOSUPPORT


def test_of_netlink_agents_have_what_tells_of_interfaces(machine):
    number = number_of(machine, "socket")
    assert verdict("agent", machine, number, seccomp.AF_NETLINK, 3, 0) == ALLOW
    assert verdict("agent", machine, number, seccomp.AF_NETLINK, 3, 9) == REFUSED  # audit


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_that_nobody_can_count_is_not_there(policy, machine):
    found = {call: verdict(policy, machine, number_of(machine, call)) for call in seccomp.UNCOUNTED_MEMORY}
    assert found == dict.fromkeys(seccomp.UNCOUNTED_MEMORY, ERROR | errno.ENOSYS)


UNIX_TYPES = {
    socket.SOCK_STREAM: ALLOW,
    socket.SOCK_SEQPACKET: ALLOW,
    socket.SOCK_DGRAM: REFUSED,
    socket.SOCK_RAW: REFUSED,  # a datagram socket by another name
}


@pytest.mark.parametrize("call", ["socket", "socketpair"])
@pytest.mark.parametrize(("kind", "unconnected"), UNIX_TYPES.items())
def test_without_a_network_namespace_no_socket_reaches_another(call, kind, unconnected, machine):
    number = number_of(machine, call)
    for flags in (0, 0x80000, 0x800):  # close on exec, non-blocking
        assert verdict("no_connect", machine, number, socket.AF_UNIX, kind | flags) == unconnected
        assert verdict("kernel", machine, number, socket.AF_UNIX, kind | flags) == ALLOW
        assert verdict("no_connect", machine, number, socket.AF_INET, kind | flags) == ERROR | errno.EOPNOTSUPP


@pytest.mark.parametrize(("policy", "expected"), [("kernel", ALLOW), ("no_connect", REFUSED)])
def test_without_a_network_namespace_nothing_is_connected(policy, expected, machine):
    assert verdict(policy, machine, number_of(machine, "connect"), 3) == expected


def test_keystrokes_cannot_be_put_into_a_terminal(machine):
    number = number_of(machine, "ioctl")
    assert verdict("kernel", machine, number, 0, seccomp.TIOCSTI) == REFUSED
    assert verdict("kernel", machine, number, 0, seccomp.TIOCLINUX) == REFUSED
    assert verdict("kernel", machine, number, 0, 0x5401) == ALLOW


def run(policy: str, body: str) -> str:
    code = f"from scribe_suite.sandbox.inside import seccomp\nseccomp.install({policy!r})\n{textwrap.dedent(body)}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip()


TRY = """
import errno, os, socket, subprocess, sys, threading
def attempt(action):
    try:
        action()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]
"""


@needs_seccomp
def test_a_kernels_filter_leaves_python_all_it_needs():
    body = """
    ran = []
    threads = [threading.Thread(target=ran.append, args=("thread",)) for _ in range(2)]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]; print(*ran)
    print(subprocess.run(["echo", "process"], capture_output=True, text=True).stdout.strip())
    import multiprocessing
    print(multiprocessing.get_context("fork").Pool(2).map(abs, [-1, -2]))
    left, right = socket.socketpair()
    print(attempt(lambda: socket.socket(socket.AF_INET)), attempt(lambda: os.unshare(0x10000000))
          if hasattr(os, "unshare") else "EPERM")
    print(open("/proc/self/status").read().split("Seccomp:")[1].split()[0])
    """
    assert run("kernel", TRY + textwrap.dedent(body)).split("\n") == [
        "thread thread", "process", "[1, 2]", "ENOTSUP EPERM", "2",
    ]  # fmt: skip


@needs_seccomp
def test_a_functions_filter_leaves_threads_and_takes_processes():
    body = """
    thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
    print(attempt(os.fork), attempt(lambda: subprocess.run(["true"])))
    """
    assert run("function", TRY + textwrap.dedent(body)).split("\n") == ["thread", "EPERM EPERM"]


@needs_seccomp
def test_where_nothing_may_be_connected_pairs_still_work(tmp_path):
    body = f"""
    server = socket.socket(socket.AF_UNIX); server.bind({str(tmp_path / "s")!r}); server.listen()
    print(attempt(lambda: socket.socket(socket.AF_UNIX).connect({str(tmp_path / "s")!r})))
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        left, right = socket.socketpair(socket.AF_UNIX, kind); left.send(b"x"); print(right.recv(1))
    """
    assert run("no_connect", TRY + textwrap.dedent(body)).split("\n") == ["EPERM", "b'x'", "b'x'"]


@needs_seccomp
def test_where_nothing_may_be_connected_no_datagram_arrives(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as target:
        target.bind(str(tmp_path / "s"))
        target.setblocking(False)
        body = f"""
        place = {str(tmp_path / "s")!r}
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            print(attempt(lambda: socket.socket(socket.AF_UNIX, kind).sendto(b"alone", place)))
            print(attempt(lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b"of a pair", place)))
        """
        answers = run("no_connect", TRY + textwrap.dedent(body)).split("\n")
        assert answers[:4] == ["EPERM"] * 4
        assert "ok" not in answers
        with pytest.raises(BlockingIOError):
            target.recv(1)


KERNEL = """
import runpy, sys
from scribe_suite.sandbox.inside import seccomp
seccomp.install(sys.argv[1])
sys.argv[:2] = ["ipykernel_launcher"]
runpy.run_module("ipykernel_launcher", run_name="__main__")
"""


@pytest.mark.core
@pytest.mark.slow
@needs_seccomp
@pytest.mark.parametrize("policy", ["kernel", "no_connect"])
def test_a_jupyter_kernel_runs_under_a_filter(policy, tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # an address of a unix socket has 107 characters
        file, _connection = write_connection_file(str(tmp_path / "k.json"), transport="ipc", ip=f"{short}/k")
        client = BlockingKernelClient(connection_file=file)
        client.load_connection_file()
        command = [sys.executable, "-c", KERNEL, policy, "-f", file, "--HistoryManager.enabled=False"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                client.start_channels(stdin=False, hb=False)
                printed: list[str] = []
                client.wait_for_ready(timeout=60)
                reply = client.execute_interactive(
                    "import numpy, torch; print(int(torch.ones(3).sum()), numpy.arange(3).sum())",
                    timeout=60,
                    output_hook=lambda message: printed.append(message["content"].get("text", "")),
                )
                assert reply["content"]["status"] == "ok"
                assert "".join(printed) == "3 3\n"
            finally:
                client.stop_channels()
                process.kill()


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_that_nobody_counts_is_not_there(policy, machine):
    for call in seccomp.UNCOUNTED_MEMORY:
        assert verdict(policy, machine, number_of(machine, call)) == ERROR | errno.ENOSYS


@pytest.mark.parametrize("policy", POLICIES)
def test_init_keeps_its_processor_and_its_limits(policy, machine):
    for call, argument in seccomp.ABOUT_A_THREAD.items():
        for subject, expected in ((0, ALLOW), (77, ALLOW), (seccomp.INIT, REFUSED)):
            arguments = [7, 7]
            arguments[argument] = subject
            assert verdict(policy, machine, number_of(machine, call), *arguments) == expected
    prlimit = number_of(machine, "prlimit64")
    assert verdict(policy, machine, prlimit, 0, 7, 0x7000_0000_1000) == ALLOW
    assert verdict(policy, machine, prlimit, seccomp.INIT, 7, 0) == REFUSED


@pytest.mark.parametrize("policy", POLICIES)
def test_the_limit_that_keeps_the_host_from_writing_cores_can_be_asked_for_and_not_be_changed(policy, machine):
    prlimit, setrlimit = number_of(machine, "prlimit64"), number_of(machine, "setrlimit")
    assert verdict(policy, machine, prlimit, 0, seccomp.RLIMIT_CORE, 0) == ALLOW
    for address in (0x1000, 0x7000_0000_0000, 1 << 32):  # half of an address may be zero
        assert verdict(policy, machine, prlimit, 0, seccomp.RLIMIT_CORE, address) == REFUSED
    assert verdict(policy, machine, setrlimit, seccomp.RLIMIT_CORE, 0x1000) == REFUSED
    assert verdict(policy, machine, setrlimit, 7, 0x1000) == ALLOW


@pytest.mark.parametrize("policy", POLICIES)
def test_no_lease_makes_others_wait_for_a_file(policy, machine):
    for command in seccomp.LEASES:
        assert verdict(policy, machine, number_of(machine, "fcntl"), 3, command) == ERROR | errno.EINVAL


@pytest.mark.parametrize("policy", [name for name, rules in POLICIES.items() if not rules.file_signals])
def test_files_in_common_are_no_channel_between_sandboxes(policy, machine):
    for call in seccomp.FILE_SIGNALS:
        number = number_of(machine, call)
        assert number is None or verdict(policy, machine, number) == ERROR | errno.ENOSYS
    fcntl = number_of(machine, "fcntl")
    for command in seccomp.FILE_SIGNAL_COMMANDS:
        assert verdict(policy, machine, fcntl, 3, command) == ERROR | errno.EINVAL
    for command in (0, 1, 2, 3, 4, 6, 7, 1030, 1031, 1033):
        assert verdict(policy, machine, fcntl, 3, command) == ALLOW
