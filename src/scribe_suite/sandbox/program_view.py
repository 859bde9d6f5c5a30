"""The file system that an agent's program sees: the system, the network settings, and its own needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scribe_suite.sandbox.fork_client import ServerSpec
from scribe_suite.sandbox.programs import HiddenPaths, ShownPaths, outermost
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.sandbox.visible_files import GROUPS, HOST_FILES, INNER_UID, SYSTEM_FILES, SYSTEM_FOLDERS, masks_over

#: Files needed to find and trust other machines, and for clocks. Not all of /etc/ssl and /etc/pki, which contain keys.
NETWORK_FILES = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/localtime", "/etc/timezone", "/etc/ssl/certs", "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust",
    "/etc/ca-certificates", "/etc/crypto-policies",
)  # fmt: skip
#: Variables that name files of certificates.
CERTIFICATES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
USERS = "root:x:0:0::/:/bin/sh\nscribe:x:{uid}:{uid}::{home}:/bin/sh\n"


def program_spec(
    tier: IsolationTier,
    uid: int | None,
    shown: ShownPaths,
    hidden: HiddenPaths,
    sockets: Sequence[Path],
    laid: Mapping[str, Any],
    tmp_bytes: int,
) -> ServerSpec:
    """The specification of the server that starts one program.

    Args:
        tier: Isolation of the program.
        uid: User id it changes to, or None.
        shown: What it needs from the host.
        hidden: What it must not see.
        sockets: Unix sockets it may connect to.
        laid: Its home and working folder, as in `ServerSpec.laid`.
        tmp_bytes: Size of its ``/tmp``, where that is its own.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` as in `visible_files.masks_over`.
    """
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    python = str(Path(sys.executable).resolve())
    if not tier.own_root:
        return ServerSpec(
            own_root=False,
            passable=tier.landlock,
            user_namespace=False,
            python=python,
            environment=environment,
            preload=None,
        )
    own_id = INNER_UID if uid is None else uid
    binds = system_binds()
    inner = [(str(path), str(path)) for path in (*_own_python(), *shown.outermost(), *sockets)]
    return ServerSpec(
        own_root=True,
        passable=False,
        user_namespace=uid is None,
        python=python,
        environment=environment,
        preload=None,
        read_only=binds,
        covered=[str(place) for place in outermost(map(Path, masks_over(hidden.covered, tier, binds)))],
        inner=inner,
        emptied=masks_over(hidden.emptied, tier, [*binds, *inner]),
        links=shown.links | {name: str(Path(name).readlink()) for name in SYSTEM_FOLDERS if Path(name).is_symlink()},
        texts={"/etc/passwd": USERS.format(uid=own_id, home=laid["place"]), "/etc/group": GROUPS.format(uid=own_id)},
        memory={"/tmp": tmp_bytes},
        laid=[laid],
    )


def system_binds() -> list[tuple[str, str]]:
    """Host paths that are visible to every program, and their places there."""
    folders = [name for name in SYSTEM_FOLDERS if Path(name).is_dir() and not Path(name).is_symlink()]
    return [(name, name) for name in (*folders, *SYSTEM_FILES, *NETWORK_FILES) if Path(name).exists()]


def _own_python() -> list[Path]:
    """The harness's Python without installed packages: it starts the program, and connects it to the notebook."""
    base = Path(sys.base_prefix).resolve()
    return [] if any(base.is_relative_to(folder) for folder in SYSTEM_FOLDERS) else [base]


def landlock_rules(shown: ShownPaths, hidden: HiddenPaths, folder: Path) -> dict[str, list[str]]:
    """The parts of the host's file system that a program may use.

    Args:
        shown: The parts that it needs.
        hidden: What it must not read.
        folder: Its own folder.
    """
    system = [source for source, _place in system_binds()]
    own = [str(path) for path in (*_own_python(), *shown.paths)]
    return {
        "read_only": [*system, *own, *HOST_FILES, "/proc/self"],
        "writable": [str(folder), "/dev/null"],
        "hidden": [str(path) for path in (*hidden.covered, *hidden.emptied)],
    }
