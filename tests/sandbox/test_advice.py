from __future__ import annotations

from pathlib import Path

import pytest

from scribe_suite.sandbox.advice import Machine, advise
from scribe_suite.sandbox.tiers import IsolationTier

NONE = IsolationTier("none", ("namespaces: Operation not permitted",))
BEST = IsolationTier("namespaces", limits=("memory", "pids"))


def machine(root: Path, files: dict[str, str], **fields) -> Machine:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Machine(root=root, **{"platform": "linux", "is_root": False, **fields})


@pytest.mark.parametrize(
    ("files", "fields", "says"),
    [
        ({"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, {}, "sysctl -w kernel.apparmor_restrict"),
        ({"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, {}, "kernel.unprivileged_userns_clone=1"),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, {}, "user.max_user_namespaces="),
        ({".dockerenv": ""}, {"is_root": True}, "--security-opt seccomp=unconfined"),
        ({"run/.containerenv": ""}, {}, "--security-opt seccomp=unconfined"),
        ({}, {"platform": "darwin"}, "Linux virtual machine or container"),
        ({}, {}, "Nothing this command knows explains it"),
    ],
)
def test_what_a_machine_says_of_itself_becomes_advice(tmp_path, files, fields, says):
    advice = advise(NONE, machine(tmp_path, files, **fields))
    assert says in advice[0]


def test_what_does_not_stand_in_the_way_of_root_is_not_mentioned_to_root(tmp_path):
    files = {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}
    assert "AppArmor" not in str(advise(NONE, machine(tmp_path, files, is_root=True)))


def test_the_best_there_is_needs_no_advice(tmp_path):
    assert advise(BEST, machine(tmp_path, {".dockerenv": ""})) == []


def test_limits_that_do_not_hold_are_told_with_their_reason(tmp_path):
    tier = IsolationTier("namespaces", limits=("pids",))
    (advice,) = advise(tier, machine(tmp_path, {}), "it may not be written")
    assert "memory of a kernel as a whole (it may not be written)" in advice
    assert "systemd-run --user --scope" in advice
