"""What is found of a program on the machine, and what is never shown of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox.programs import Finder, HiddenPaths, ShownPaths


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the machine; its home and temporary folder are below."""
    for name in ("home/user/.local/bin", "tmp", "opt", "suite/ground_truth", "suite/runs"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    return tmp_path


def script(path: Path, first: str = "#!/bin/sh") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{first}\n")
    path.chmod(0o755)
    return path


def find(machine: Path, *argv: Path | str, surroundings="file", path="/usr/bin:/bin", folders: str = "") -> ShownPaths:
    hidden = HiddenPaths(whole=(machine / "suite",), sealed=(machine / "suite/ground_truth", machine / "suite/runs"))
    finder = Finder(hidden, {"HOME": str(machine / "home/user"), "PATH": path})
    finder.command([str(word) for word in argv], surroundings)
    finder.folders(folders)
    return finder.shown


def shown(found: ShownPaths, machine: Path) -> list[str]:
    return sorted(str(path.relative_to(machine)) for path in found.outermost())


def test_a_single_file_is_shown_alone_and_the_links_to_it_are_made_again(machine):
    program = script(machine / "home/user/.local/share/cli/1.2/cli")
    (machine / "home/user/.local/share/cli/current").symlink_to("1.2")
    link = machine / "home/user/.local/bin/cli"
    link.symlink_to("../share/cli/current/cli")
    found = find(machine, link)
    assert shown(found, machine) == ["home/user/.local/share/cli/1.2/cli"]
    assert found.links == {
        str(link): "../share/cli/current/cli",
        str(machine / "home/user/.local/share/cli/current"): "1.2",
    }
    assert next(iter(found.programs)) == program


def test_a_program_of_the_user_s_is_shown_with_its_folder(machine):
    script(machine / "home/user/agent/run")
    assert shown(find(machine, machine / "home/user/agent/run", surroundings="folder"), machine) == ["home/user/agent"]


@pytest.mark.parametrize(
    "place", ["home/user/run", "home/user/.local/bin/run", "suite/run", "tmp/run", "suite/ground_truth/x/run", "run"]
)
def test_a_folder_that_holds_what_is_hidden_is_not_shown(machine, place):
    script(machine / place)
    assert shown(find(machine, machine / place, surroundings="folder"), machine) == [place]


def test_a_folder_in_the_checkout_that_holds_nothing_secret_is_shown(machine):
    script(machine / "suite/examples/run")
    assert shown(find(machine, machine / "suite/examples/run", surroundings="folder"), machine) == ["suite/examples"]


def test_javascript_comes_with_all_its_modules_and_its_interpreter(machine):
    node = script(machine / "opt/node20/bin/node")
    code = script(machine / "opt/node20/lib/node_modules/@x/cli/node_modules/y/cli.js", "#!/usr/bin/env -S node --x")
    (machine / "opt/node20/bin/cli").symlink_to("../lib/node_modules/@x/cli/node_modules/y/cli.js")
    found = find(machine, machine / "opt/node20/bin/cli", path=f"{machine}/opt/node20/bin")
    assert shown(found, machine) == ["opt/node20"]
    other = script(machine / "suite/.agents/node_modules/z/z.js", "")
    assert shown(find(machine, node, other), machine) == ["opt/node20", "suite/.agents/node_modules"]
    assert code in found.programs


def test_python_comes_with_its_environment_and_what_that_was_made_from(machine):
    base = script(machine / "opt/python/bin/python3.11", "")
    environment = machine / "suite/.venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    (environment / "bin" / "python3").symlink_to(base)
    (environment / "bin" / "python").symlink_to("python3")
    agent = script(machine / "home/user/agent/run", f"#!{environment}/bin/python")
    wanted = ["home/user/agent", "opt/python", "suite/.venv"]
    assert shown(find(machine, agent, surroundings="folder"), machine) == wanted
    (environment / "bin" / "python").unlink()
    script(environment / "bin" / "python", "")  # an environment of copies
    assert shown(find(machine, agent, surroundings="folder"), machine) == wanted


@pytest.mark.parametrize("named", ["interpreter", "program"])
def test_what_a_version_manager_starts_comes_with_all_of_the_manager(machine, named):
    shim = script(machine / "home/user/.manager/shims/agentlang", "#!/usr/bin/env bash")
    agent = script(machine / "opt/agent/run", "#!/usr/bin/env agentlang")
    found = find(machine, agent if named == "interpreter" else shim, path=f"{shim.parent}:/usr/bin:/bin")
    assert "home/user/.manager" in shown(found, machine)


def test_the_way_to_the_notebook_is_python_and_one_script(machine):
    pump = script(machine / "suite/src/notebook/pump.py")
    finder = Finder(HiddenPaths(whole=(machine / "suite",)), {"HOME": str(machine)})
    finder.pump([sys.executable, "-S", str(pump), "/run/socket"])
    base = Path(sys.base_prefix).resolve()
    assert {path for path in finder.shown.paths if path != base} == {pump}


def test_further_folders_are_shown_when_they_hold_nothing_secret(machine):
    agent = script(machine / "home/user/agent/run")
    (machine / "opt/data").mkdir()
    assert shown(find(machine, agent, folders=f"{machine}/opt/data:"), machine) == ["home/user/agent/run", "opt/data"]
    for place, why in (
        ("home/user", "must not see"), ("", "must not see"), ("suite", "must not see"), ("suite/runs", "must not see"),
        ("suite/ground_truth/x", "must not see"), ("nothing", "is not a folder"),
    ):  # fmt: skip
        (machine / "suite/ground_truth/x").mkdir(exist_ok=True)
        with pytest.raises(InfrastructureError, match=why) as caught:
            find(machine, agent, folders=str(machine / place))
        assert caught.value.cause == "isolation_unavailable"
    with pytest.raises(InfrastructureError, match="absolute"):
        find(machine, agent, folders="opt/data")


def test_a_folder_in_which_something_is_emptied_is_shown_and_one_that_is_emptied_is_not(machine):
    script(machine / "opt/agent/run")
    (machine / "opt/agent/model").mkdir()
    script(machine / "opt/agent/model/tool")
    hidden = HiddenPaths(emptied=(machine / "opt/agent/model",))
    for program, seen in (("opt/agent/run", "opt/agent"), ("opt/agent/model/tool", "opt/agent/model/tool")):
        finder = Finder(hidden, {"HOME": str(machine / "home/user"), "PATH": "/usr/bin"})
        finder.command([str(machine / program)], "folder")
        assert shown(finder.shown, machine) == [seen]
        assert finder.hidden.emptied == (machine / "opt/agent/model",)
    with pytest.raises(InfrastructureError, match="must not see"):
        finder.folders(str(machine / "opt/agent/model"))


def test_a_link_into_a_hidden_place_opens_it_no_further(machine):
    script(machine / "suite/runs/attempt/run")
    (machine / "opt/run").symlink_to(machine / "suite/runs/attempt/run")
    found = find(machine, machine / "opt/run", surroundings="folder")
    assert shown(found, machine) == ["suite/runs/attempt/run"]


def test_links_in_a_circle_are_refused(machine):
    (machine / "opt/a").symlink_to("b")
    (machine / "opt/b").symlink_to("a")
    with pytest.raises(InfrastructureError, match="too many links"):
        find(machine, machine / "opt/a")


def test_interpreters_of_interpreters_come_to_an_end(machine):
    script(machine / "opt/loop", f"#!{machine}/opt/loop")
    assert shown(find(machine, machine / "opt/loop"), machine) == ["opt/loop"]


def test_what_lies_where_the_sandbox_has_something_of_its_own_is_refused(machine):
    with pytest.raises(InfrastructureError, match=r"/slots/agent can't be shown"):
        find(machine, "/slots/agent")


def test_what_is_hidden_in_a_system_folder_is_told_so_that_it_can_be_covered(machine, monkeypatch):
    monkeypatch.setattr("scribe_suite.sandbox.programs.SYSTEM_FOLDERS", (str(machine / "suite"), str(machine / "opt")))
    script(machine / "suite/.agents/cli", "")
    script(machine / "opt/cli", "")
    assert shown(find(machine, machine / "suite/.agents/cli"), machine) == ["suite/.agents/cli"]
    assert shown(find(machine, machine / "opt/cli"), machine) == []


@pytest.mark.parametrize("home", ["/", "/usr/sbin", "/bin", ""])
def test_a_home_that_is_the_system_s_hides_nothing_of_the_system(home):
    covered = HiddenPaths().and_usual({"HOME": home}).covered
    assert not any(place.is_relative_to("/usr") for place in covered)
