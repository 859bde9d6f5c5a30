"""What is hidden in the Python environment, which every process is shown, can't be read in any tier."""

from __future__ import annotations

import json
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from tests.sandbox.program_tiers import WAYS, tier_of

LIMITS = ProcessLimits(memory_bytes=None)
SITE = Path(sysconfig.get_paths()["purelib"])
PROGRAM = """
import importlib.util, json, os, sys, sysconfig
site, name = sysconfig.get_paths()["purelib"], sys.argv[1]

def tried(action):
    try:
        return action()
    except (OSError, ImportError, AttributeError) as error:
        return type(error).__name__

def read(*parts):
    with open(os.path.join(site, *parts)) as file:
        return file.read()

print(json.dumps({
    "package": tried(lambda: __import__(name).SECRET),
    "module": tried(lambda: read(name, "__init__.py")),
    "data": tried(lambda: read(name, "data", "weights")),
    "through a link": tried(lambda: read(name + "_link", "weights")),
    "lone file": tried(lambda: read(name + ".txt")),
    "over it": tried(lambda: open(os.path.join(site, name, "x"), "w").close()),
    "beside it": tried(lambda: read(name + "_beside", "__init__.py")),
    "another package": tried(lambda: bool(__import__("filelock").FileLock)),
}))
"""


@pytest.fixture(scope="module")
def package() -> Iterator[str]:
    """Name of a package in the environment, with a folder, a link and a file beside it."""
    with tempfile.TemporaryDirectory(prefix="hidden_", dir=SITE) as made:
        name = Path(made).name
        folders = [Path(made), Path(made) / "data", SITE / f"{name}_beside"]
        files = [folders[0] / "__init__.py", folders[1] / "weights", folders[2] / "__init__.py", SITE / f"{name}.txt"]
        link = SITE / f"{name}_link"
        try:
            for folder in folders:
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
            for file in files:
                file.write_text("SECRET = 'told'\n")
                file.chmod(0o644)
            link.symlink_to(f"{name}/data")  # kernels may see the environment at another place
            yield name
        finally:
            for file in (link, *files):
                file.unlink(missing_ok=True)
            folders[2].rmdir()


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_what_is_hidden_in_the_environment_is_not_read_and_the_rest_is(way, package, monkeypatch):
    tier = tier_of(way)
    if way == "user namespace":
        monkeypatch.setattr("scribe_suite.sandbox.sandbox.private_uid", lambda: None)

    def found(*hidden: Path) -> dict[str, object]:
        with Sandbox(tier, preload=None, hidden=hidden) as sandbox:
            private = sandbox.private_folders("p", sandbox.work_folder("w", {}))
            process = sandbox.start_python(private, ["-I", "-c", PROGRAM, package], LIMITS)
            try:
                assert process.wait(60) == 0, process.printed()
            finally:
                process.close()
        read: dict[str, object] = json.loads(process.printed().splitlines()[-1])
        return read

    secret = "SECRET = 'told'\n"
    shown = found()
    over = shown.pop("over it")
    assert over in ("OSError", "PermissionError")
    assert shown == {
        "package": "told", "module": secret, "data": secret, "through a link": secret, "lone file": secret,
        "beside it": secret, "another package": True,
    }  # fmt: skip
    hidden = found(SITE / package, SITE / f"{package}.txt")
    assert hidden.pop("beside it") == secret
    assert hidden.pop("another package") is True
    assert secret not in hidden.values()
    assert hidden.pop("lone file") in ("", "PermissionError")  # an empty file lies over it, where something can
    assert set(hidden.values()) <= {
        "FileNotFoundError", "PermissionError", "OSError", "ModuleNotFoundError", "AttributeError",
    }  # fmt: skip
