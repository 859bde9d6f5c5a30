"""What sandboxed processes are shown of the host, and what is covered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import visible_files as shown
from scribe_suite.sandbox.tiers import IsolationTier

NAMESPACES, LANDLOCK, NONE = (IsolationTier(name) for name in ("namespaces", "landlock", "none"))


def test_masks_are_laid_wherever_a_shown_folder_has_a_hidden_one_below_it(tmp_path, monkeypatch):
    system, environment = tmp_path / "usr", tmp_path / "usr" / "src" / "suite" / ".venv"
    environment.mkdir(parents=True)
    (tmp_path / "link").symlink_to(environment.parent)
    monkeypatch.setattr(shown, "read_only_binds", lambda: [(str(system), "/usr"), (str(environment), "/env")])
    assert shown.masks_over([tmp_path / "link"], NAMESPACES) == ["/usr/src/suite"]
    assert shown.masks_over([environment / "keys"], NAMESPACES) == ["/usr/src/suite/.venv/keys", "/env/keys"]
    assert shown.masks_over([tmp_path, tmp_path / "elsewhere"], NAMESPACES) == []


def test_landlock_covers_nothing_and_refuses_what_it_can_t_leave_out(tmp_path, monkeypatch):
    (tmp_path / "usr").mkdir()
    monkeypatch.setattr(shown, "read_only_binds", lambda: [(str(tmp_path / "usr"), "/usr")])
    assert shown.masks_over([tmp_path / "usr" / "keys", tmp_path / "keys"], LANDLOCK) == []
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "usr" / "python"))
    for hidden in ("usr", "usr/python"):
        with pytest.raises(InfrastructureError, match="must be hidden") as caught:
            shown.masks_over([tmp_path / hidden], LANDLOCK)
        assert caught.value.cause == "isolation_unavailable"


def test_without_isolation_nothing_is_hidden_and_nothing_refused():
    assert shown.masks_over([Path("/usr"), Path(sys.prefix)], NONE) == []


def test_hiding_python_itself_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "base_prefix", "/usr/local/python")
    with pytest.raises(InfrastructureError, match="must be hidden"):
        shown.masks_over([Path("/usr/local")], NAMESPACES)


@pytest.mark.parametrize("tier", [NAMESPACES, LANDLOCK, NONE])
def test_an_environment_has_nothing_of_the_harness_s(tier, monkeypatch):
    monkeypatch.setenv("SCRIBE_CANARY", "secret")
    environment = shown.environment(tier, "/w", "/t")
    assert "secret" not in str(environment)
    assert environment["HOME"] == "/w"
    assert environment["TMPDIR"] == "/t"
    assert environment["OMP_NUM_THREADS"] == "1"


def test_only_a_user_without_ids_to_give_needs_a_user_namespace():
    assert not shown.server_spec(NAMESPACES, 20_001, ()).user_namespace
    assert shown.server_spec(NAMESPACES, None, ()).user_namespace
    assert not shown.server_spec(LANDLOCK, None, ()).user_namespace
    assert "scribe:x:20001" in shown.server_spec(NAMESPACES, 20_001, ()).texts["/etc/passwd"]


@pytest.mark.parametrize("tier", [NAMESPACES, LANDLOCK, NONE])
def test_gpus_are_hidden_unless_they_are_asked_for(tier):
    assert shown.environment(tier, "/w", "/t")["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in shown.environment(tier, "/w", "/t", gpu=True)


def test_only_the_drivers_devices_are_shown(monkeypatch):
    monkeypatch.setattr(shown, "gpu_devices", lambda: ("/dev/nvidia0",))
    assert shown.server_spec(NAMESPACES, 20_001, ()).devices == ()
    assert shown.server_spec(NAMESPACES, 20_001, (), gpu=True).devices == ("/dev/nvidia0",)
