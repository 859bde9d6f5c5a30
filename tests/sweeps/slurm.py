"""A Slurm of its own for tests: one controller and two virtual nodes on this machine, started in a temporary folder.

Nothing is installed or configured on the machine: the programs are those on the PATH, or those of Debian's packages
unpacked into a folder that ``SCRIBE_SLURM`` names::

    apt-get download slurmctld slurmd slurm-client slurm-wlm-basic-plugins libmunge2 libhwloc15
    for package in *.deb; do dpkg -x "$package" slurm; done

There is no accounting, as on many small clusters, and no authentication: it listens on the loopback device only while
a test runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

#: Names of the virtual nodes.
NODES = ("n0", "n1")
#: What is needed, and how Debian calls it.
PROGRAMS = {"slurmctld": "slurmctld-wlm", "slurmd": "slurmd-wlm", "slurmstepd": "slurmstepd-wlm"}

CONFIGURATION = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
{plugins}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
MinJobAge=300
Prolog={folder}/prolog
KillWait=5
JobRequeue=1
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def programs() -> dict[str, Path] | None:
    """Where the daemons are; None when they are not here."""
    root = os.environ.get("SCRIBE_SLURM")
    folders = [Path(root) / "usr" / "sbin"] if root else [Path(found).parent for found in _on_path()]
    for folder in folders:
        found = {
            name: next((folder / one for one in (debian, name) if (folder / one).is_file()), None)
            for name, debian in PROGRAMS.items()
        }
        if all(found.values()):
            return {name: path for name, path in found.items() if path is not None}
    return None


def _on_path() -> list[str]:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    return [found for found in (shutil.which(name, path=path) for name in ("slurmctld-wlm", "slurmctld")) if found]


def unavailable() -> str | None:
    """Why there can be no Slurm here; None where there can."""
    if programs() is None:
        return "slurmctld and slurmd are not installed, and SCRIBE_SLURM names no folder with Debian's packages"
    if os.geteuid() != 0:
        return "slurmd starts jobs of other users, for which it must be root"
    return None


@dataclass
class Slurm:
    """A running Slurm.

    Attributes:
        folder: Of its state and logs.
        environment: Variables that its commands need.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start it, and wait until both nodes can have jobs."""
        found = programs()
        assert found is not None
        self.folder.mkdir(parents=True)
        (self.folder / "state").mkdir()
        root = os.environ.get("SCRIBE_SLURM")
        plugins = ""
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}
        if root:
            library = next(Path(root).resolve().glob("usr/lib/*/slurm-wlm"))
            plugins = f"PluginDir={library}"
            self.environment["LD_LIBRARY_PATH"] = f"{library}:{library.parent}"
            self.environment["PATH"] = f"{Path(root).resolve() / 'usr' / 'bin'}:{os.environ['PATH']}"
        ports = _free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=1000"
            for name, port in zip(NODES, ports[1:], strict=True)
        )
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(folder=self.folder, port=ports[0], plugins=plugins, nodes=nodes)
        )
        prolog = self.folder / "prolog"
        prolog.write_text(f"#!/bin/sh\ntest ! -e {self.folder}/broken.$SLURMD_NODENAME\n")
        prolog.chmod(0o755)
        self.start_controller(clean=True)
        for name in NODES:
            self.start_node(name)
        end = time.monotonic() + 60
        while self.output("sinfo", "--noheader", "--format=%D %t", check=False).split() != ["2", "idle"]:
            assert time.monotonic() < end, self.logs()
            time.sleep(0.3)

    def start_controller(self, clean: bool = False) -> None:
        self._start("slurmctld", [str(self._program("slurmctld")), "-D", *(["-c"] if clean else [])])

    def start_node(self, name: str) -> None:
        stepd = str(self._program("slurmstepd"))
        self._start(name, [str(self._program("slurmd")), "-D", "-N", name, "-d", stepd])

    def kill(self, name: str) -> None:
        """End a daemon as a power cut does."""
        self._daemons[name].kill()
        self._daemons.pop(name).wait()

    def break_node(self, name: str) -> None:
        """Let the node launch no job any more."""
        (self.folder / f"broken.{name}").touch()

    def freeze(self, name: str, *, jobs: bool) -> list[psutil.Process]:
        """Let a node's daemon not answer any more, and with `jobs` all that runs on it; returns what is frozen."""
        frozen = [psutil.Process(self._daemons[name].pid)]
        if jobs:
            ours = {f"SLURM_CONF={self.environment['SLURM_CONF']}", f"SLURMD_NODENAME={name}"}
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    if ours <= {f"{key}={value}" for key, value in process.environ().items()}:
                        steps = [parent for parent in process.parents() if "slurmstepd" in parent.name()]
                        frozen += [*steps, process, *process.children(recursive=True)]
        for process in dict.fromkeys(frozen):
            with contextlib.suppress(psutil.Error):
                process.suspend()
        return list(dict.fromkeys(frozen))

    def output(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=check
        )
        return done.stdout.strip()

    def stop(self) -> None:
        """End everything: jobs first, then daemons."""
        self.output("scancel", "--user=root", check=False)
        time.sleep(1)
        for process in self._daemons.values():
            process.send_signal(signal.SIGTERM)
        for process in self._daemons.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        ours = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for process in psutil.process_iter():  # what watches a step outlives the daemon that was killed
            with contextlib.suppress(OSError, psutil.Error):
                # read here, because such a process has written its title over the first variables
                variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                if ours in variables and process.pid != os.getpid():
                    process.kill()

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def _program(self, name: str) -> Path:
        found = programs()
        assert found is not None
        return found[name]

    def _start(self, name: str, command: list[str]) -> None:
        # sbatch gives jobs the environment of its caller; the daemons need their own only
        self._daemons[name] = subprocess.Popen(
            command,
            env={**os.environ, **self.environment},
            stdout=(self.folder / f"{name}.out.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
