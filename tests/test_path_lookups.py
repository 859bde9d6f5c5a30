"""No name is looked up below a folder that somebody untrusted can write, but through `untrusted_files`.

Every call that looks a path up, in the rooms that handle what kernels, agents and strangers leave behind, stands in a
table with the reason why it may. A call that is not in the table fails here, and so does a row that has lost its call.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import scribe_suite

from .path_lookups import lookups

SOURCE = Path(scribe_suite.__file__).parent
ROOMS = (
    "notebook",
    "sandbox",
    "providers",
    "report",
    "plugin",
    "ledger",
    "claims",
    "analysis",
    "watching",
    "scoring/submitted_function.py",
)

SAFE = "through untrusted_files: below a descriptor, no links, regular files only"
OPENED = "opens the folder below which untrusted_files works; the way to it is the user's or the suite's own"
PACKAGE = "the suite's own files: its package, its checkout"
NAMED = "what the user named: on the command line, in a configuration, in the environment"
FRESH = "a folder or file of the suite's own that nobody else knows or may write, or before anybody else has run"
REPORT = "the report that is being written: a fresh folder of this process, or the one that the user named for it"
SWEEP = "the folder of a sweep, which its jobs alone write: kernels and agents' programs do not see it"
MACHINE = "the machine's own: /proc, /sys, system folders, what a Python is"
INSIDE = "runs inside the sandbox, or builds it before anybody else is there"
NO_PATH = "no path at all: bytes in memory, the address of a socket that was handed over"
DESCRIPTORS = "removes what others made by descriptors of its own; see the module"
ASKED = "a yes or no about a name; nothing is opened"
BAIT = "what the suite itself has laid outside, to see whether an escape reaches it"

#: Modules that may look up what they like.
WHOLE = {
    "sandbox/inside/*": INSIDE,
    "notebook/inside/*": INSIDE,
    "providers/builtin/cheating/inside/*": INSIDE,
    "providers/clis/inside/*": INSIDE,
    "providers/builtin/cheating/*": BAIT,
    "sandbox/cgroups.py": MACHINE,
}

#: Reason -> module -> function -> what it looks up, each as often as it does.
ALLOWED: dict[str, dict[str, dict[str, str]]] = {
    SAFE: {
        "claims/evidence.py": {"read_evidence": ".stat"},
        "notebook/journal.py": {"read_journal": ".open"},
        "notebook/recovery.py": {"_recover": ".open"},
        "notebook/session_table.py": {
            "SessionTable._create_notebook": ".exists .exists",
            "SessionTable._has_journal": ".exists .stat",
        },
        "plugin/controller/run_ledger.py": {"RunLedger.recover_notebooks": ".stat"},
        "ledger/attempt_folder.py": {"AttemptFolder._write_arrays": ".exists"},
        "plugin/option/replays.py": {"_answer": ".exists"},
        "report/journals.py": {"_view": ".stat"},
        "report/notebooks.py": {"_view": ".stat"},
        "report/raw_files.py": {"_copied": ".open"},
        "report/transcripts.py": {"transcript_view": ".stat"},
        "sandbox/runtime_folders.py": {"_sweep": ".open .stat"},
    },
    OPENED: {
        "providers/builtin/human/handover.py": {"_prepared": "UntrustedFolder"},
        "providers/builtin/human/provider.py": {"_sit": "UntrustedFolder"},
        "notebook/document.py": {"NotebookFile.__init__": "UntrustedFolder"},
        "notebook/journal.py": {"Journal.__init__": "UntrustedFolder", "read_journal": "UntrustedFolder"},
        "notebook/recovery.py": {"recover_notebooks": "UntrustedFolder"},
        "notebook/session_table.py": {"SessionTable.__init__": "UntrustedFolder"},
        "plugin/controller/run_ledger.py": {"RunLedger.recover_notebooks": "UntrustedFolder"},
        "providers/clis/driver.py": {"CliProvider._start": "UntrustedFolder"},
        "providers/builtin/command.py": {"CommandProvider.attempt": "UntrustedFolder"},
        "providers/slots.py": {"Slots._made": ".mkdir UntrustedFolder", "Slots._paused_until": "UntrustedFolder"},
        "report/attempt_folders.py": {
            "_normal": ".resolve",
            "attempt_folder": ".resolve UntrustedFolder",
            "folder_beside": ".resolve UntrustedFolder",
        },
        "ledger/attempt_folder.py": {"AttemptFolder.create": "UntrustedFolder"},
        "ledger/burnt_seeds.py": {"_entries": "UntrustedFolder", "burn": ".mkdir UntrustedFolder"},
        "ledger/merge.py": {"_write": "UntrustedFolder"},
        "watching/status_files.py": {
            "_opened": "UntrustedFolder",
            "clear_running": "UntrustedFolder",
            "make_running_folder": ".mkdir UntrustedFolder",
        },
        "sandbox/runtime_folders.py": {"_sweep": "UntrustedFolder os.listdir"},
    },
    PACKAGE: {
        "providers/builtin/human/jupyterlab.py": {"_lay_out": ".read_bytes"},
        "providers/builtin/human/web.py": {"PageHandler.get": ".read_text"},
        "plugin/shipped_fixtures.py": {"_loaded": ".is_file"},
        "plugin/worker/hiding.py": {"hidden_from_programs": ".iterdir"},
        "notebook/answer.py": {"<module>": ".read_text"},
        "notebook/server.py": {"NotebookServer.start": ".resolve"},
        "analysis/controls.py": {"read_controls": ".read_bytes"},
        "providers/clis/inspect_ai.py": {"InspectAdapter.launch": ".read_bytes"},
        "providers/prices.py": {"_read": ".read_text"},
        "report/attempt_list.py": {"attempt_list_context": ".read_text"},
        "report/pages.py": {"_environment": ".read_text"},
        "ledger/code.py": {
            "_imported": ".read_bytes",
            "_sha256": ".read_bytes",
            "package_sha256": ".is_file .rglob",
            "task_sources": ".is_file",
        },
    },
    NAMED: {
        "providers/builtin/human/handover.py": {
            "_forget": ".rmdir",
            "_listed_too": ".mkdir .symlink_to .unlink .unlink",
            "_prepared": ".chmod .mkdir .stat",
            "is_open": ".connect",
            "root": "tempfile.gettempdir",
        },
        "providers/builtin/human/jupyterlab.py": {"find_program": ".is_file os.access"},
        "providers/builtin/human/terminal_client.py": {"request": ".connect"},
        "notebook/__main__.py": {
            "_files": ".read_bytes .stat",
            "_found": ".is_dir .is_file .is_file .rglob",
            "_setup_code": ".read_text",
            "main": ".resolve",
        },
        "notebook/server.py": {"NotebookServer.start": ".mkdir"},
        "plugin/option/compare.py": {"RunComparison._verdict": ".exists", "comparing": ".resolve .resolve"},
        "plugin/controller/announcements.py": {"shown_path": ".resolve"},
        "plugin/option/reading.py": {"_decided_here": ".exists .is_dir"},
        "plugin/option/replays.py": {"ledger_of": ".resolve"},
        "plugin/option/resume.py": {"kept_values": ".resolve .resolve"},
        "plugin/worker/hiding.py": {"hidden_from_kernels": ".resolve"},
        "providers/clis/login.py": {"find_login": ".is_file"},
        "providers/builtin/command.py": {
            "CommandProvider.program": ".read_bytes",
            "_find": ".is_file",
            "_problem": ".exists .is_dir .is_file .is_file",
        },
        "providers/secrets.py": {"values_in_file": ".read_bytes"},
        "report/site.py": {"write_report": ".resolve"},
        "ledger/ledger.py": {
            "LedgerWriter.__init__": ".mkdir .open",
            "LedgerWriter.reopen": ".open",
            "_sync_folder": "os.open",
            "is_being_written": ".open",
            "read_ledger": ".read_bytes",
            "read_lines": ".open",
        },
        "ledger/merge.py": {
            "_mover": ".resolve .resolve",
            "_spool": ".mkdir tempfile.TemporaryFile",
            "merge_ledgers": ".exists",
        },
        "ledger/run_names.py": {"_ledgers": ".glob .is_file .stat", "find_run": ".is_file"},
        "ledger/sources.py": {"Source.__init__": ".open", "Source.attempts": ".open"},
        "watching/watch.py": {
            "LedgerCounts.read_on": ".open",
            "Watch.__init__": ".resolve",
            "Watch.ended": ".stat",
        },
    },
    FRESH: {
        "providers/builtin/human/jupyterlab.py": {
            "_lay_out": ".mkdir .mkdir .write_bytes .write_text .write_text .write_text",
        },
        "notebook/server.py": {"_listen": ".bind .chmod"},
        "providers/clis/claude.py": {"ClaudeAdapter.launch": ".write_text"},
        "providers/clis/codex.py": {"CodexAdapter.launch": ".mkdir"},
        "providers/clis/gemini.py": {"GeminiAdapter.launch": ".mkdir .write_text .write_text"},
        "providers/clis/login.py": {"give_login": ".chmod .mkdir shutil.copyfile"},
        "providers/programs.py": {"place_for_program": ".mkdir", "start_program": ".exists"},
        "ledger/attempt_folder.py": {"AttemptFolder.create": ".mkdir .mkdir"},
        "sandbox/runtime_folders.py": {
            "RuntimeFolder.__init__": ".chmod .open tempfile.mkdtemp",
            "short_temporary_folder": "tempfile.gettempdir",
            "temporary_folder": "tempfile.mkdtemp",
        },
    },
    REPORT: {
        "report/folders.py": {
            "_move": ".exists .rename .rename .rename .rename shutil.rmtree",
            "replaced_folder": ".chmod .mkdir .resolve shutil.rmtree tempfile.mkdtemp",
            "require_replaceable": ".exists .is_dir .is_file .iterdir",
        },
        "report/raw_files.py": {"_copied": ".mkdir .open"},
        "report/site.py": {"_write": ".write_text", "_write_pages": ".mkdir"},
    },
    SWEEP: {
        "providers/leases.py": {
            "Leases._made": ".unlink .unlink os.open",
            "Leases.take": ".mkdir",
            "_newest": "os.listdir",
            "_read": ".open",
            "_write": ".replace .unlink .write_text",
        },
        "providers/sweep_budget.py": {
            "_replace": ".mkdir .replace .unlink .write_text",
            "read_budget": ".read_bytes",
            "spent": ".glob .read_bytes",
        },
    },
    MACHINE: {
        "providers/builtin/human/provider.py": {"_announce": ".open"},
        "ledger/lock.py": {"_cpu": ".read_text"},
        "watching/status_files.py": {"this_place": "os.readlink"},
    },
    ASKED: {
        "plugin/collection.py": {"pytest_ignore_collect": ".is_dir"},
    },
    NO_PATH: {
        "providers/builtin/human/jupyterlab.py": {"free_port": ".bind"},
        "notebook/agent_view.py": {"scale_image": ".open"},
        "notebook/pump.py": {"pump": ".connect"},
    },
    DESCRIPTORS: {
        "sandbox/runtime_folders.py": {
            "_left_folders": ".is_dir os.scandir os.unlink",
            "_open_writable": "os.chmod os.chmod os.open os.open os.open",
            "_remove_stubborn": "os.rmdir",
            "_take_apart": "os.rename os.rmdir",
            "remove_tree": "os.open shutil.rmtree",
        },
    },
}  # fmt: skip

#: The same for the sandbox and the kernels in it, apart because it is what is closest to them.
OF_THE_SANDBOX: dict[str, dict[str, dict[str, str]]] = {
    PACKAGE: {
        "notebook/kernel.py": {"<module>": ".read_text"},
        "sandbox/escape_table.py": {"try_escapes": ".read_text"},
        "sandbox/fork_client.py": {"<module>": ".resolve"},
        "sandbox/plain_start.py": {"start_plain": ".resolve"},
        "sandbox/sandbox.py": {"Sandbox.start_kernel": ".resolve"},
        "scoring/submitted_function.py": {"_start": ".read_text"},
    },
    MACHINE: {
        "sandbox/advice.py": {"Machine.in_container": ".exists", "Machine.setting": ".read_text"},
        "sandbox/escape_table.py": {"hidden_files": ".resolve .resolve"},
        "sandbox/probing.py": {"_python_in_the_way": ".resolve"},
        "sandbox/program_view.py": {
            "_own_python": ".resolve",
            "program_spec": ".is_symlink .readlink .resolve",
            "system_binds": ".exists .is_dir .is_symlink",
        },
        "sandbox/sandbox.py": {"Sandbox._landlock_rules": ".resolve .resolve", "private_uid": ".read_text"},
        "sandbox/visible_files.py": {
            "gpu_devices": ".glob .is_dir",
            "masks_over": ".resolve .resolve .resolve",
            "read_only_binds": ".exists .is_dir .is_symlink .resolve .resolve",
            "server_spec": ".is_symlink .readlink .resolve",
        },
    },
    # an agent's program lies where the user has it, and is looked at before it runs
    NAMED: {
        "sandbox/launching.py": {"_others_may_use": ".stat .stat"},
        "sandbox/programs.py": {
            "Finder._environment": ".read_text",
            "Finder._follow": ".is_symlink os.readlink",
            "Finder.command": ".is_file",
            "Finder.file": ".is_file",
            "Finder.folders": ".is_dir",
            "Finder.pump": ".is_file .resolve",
            "HiddenPaths.and_usual": ".resolve tempfile.gettempdir",
            "_interpreters": ".open",
            "_resolved": ".resolve",
        },
    },
    OPENED: {"sandbox/launching.py": {"Program._opened": "UntrustedFolder", "Program._start": "UntrustedFolder"}},
    NO_PATH: {
        "notebook/kernel.py": {"Kernel.__init__": "io.FileIO"},
        "notebook/services.py": {"ServiceConnections.__init__": ".connect"},
        "sandbox/processes.py": {"ForkedProcess.__init__": "io.FileIO"},
    },
    FRESH: {
        "notebook/channels.py": {"KernelChannels.connect": ".connect"},
        "notebook/kernel.py": {"Kernel.start": ".connect", "_listen": ".bind"},
        "sandbox/launching.py": {"_give_access": ".chmod os.chown os.chown os.walk"},
        "sandbox/escape_table.py": {
            "_things_outside": ".bind .bind .bind .bind .chmod .chmod .chmod .chmod .read_text .write_text "
            "tempfile.mkdtemp",
        },
        "sandbox/fork_client.py": {
            "ForkServer.__init__": ".mkdir .mkdir .open",
            "ForkServer.last_words": ".read_text",
            "ForkServer.new_folder": ".mkdir",
        },
        "sandbox/sandbox.py": {
            "Sandbox._give_all": "os.chown os.walk",
            "Sandbox._give": "os.chown",
            "Sandbox.private_folders": ".mkdir .mkdir",
            "Sandbox.warm_up": ".mkdir",
            "Sandbox.work_folder": ".mkdir .mkdir .write_bytes",
        },
    },
    BAIT: {
        "sandbox/escape_table.py": {"_state": ".is_file .iterdir .read_bytes .stat", "try_escapes": ".unlink"},
    },
}  # fmt: skip

ADVICE = (
    "If somebody else may have put something there (a kernel, an agent, whoever filled a results folder), use "
    "scribe_suite.untrusted_files.UntrustedFolder; else add it to the table of tests/test_path_lookups.py under the "
    "reason that it has."
)


def modules() -> list[str]:
    """All modules of the rooms, as the table names them."""
    paths = [path for room in ROOMS for path in [SOURCE / room, *(SOURCE / room).rglob("*")] if path.suffix == ".py"]
    names = [path.relative_to(SOURCE).as_posix() for path in paths]
    return sorted(name for name in names if not any(Path(name).match(whole) for whole in WHOLE))


def allowed(module: str) -> dict[str, Counter[str]]:
    """What the table lets a module look up."""
    found: dict[str, Counter[str]] = {}
    for table in (ALLOWED, OF_THE_SANDBOX):
        for rows in table.values():
            for function, calls in rows.get(module, {}).items():
                found.setdefault(function, Counter()).update(calls.split())
    return found


@pytest.mark.parametrize("module", modules())
def test_every_look_at_a_path_has_a_reason(module):
    found, table = lookups((SOURCE / module).read_text()), allowed(module)
    for function in sorted({*found, *table}):
        new = found.get(function, Counter()) - table.get(function, Counter())
        stale = table.get(function, Counter()) - found.get(function, Counter())
        assert not new, f"{module}, {function} looks up a path by {' '.join(sorted(new.elements()))}. {ADVICE}"
        gone = " ".join(sorted(stale.elements()))
        assert not stale, f"{module}, {function} does not use {gone} any more: remove it from the table."


def test_every_row_is_of_a_module_that_is_there():
    named = {module for table in (ALLOWED, OF_THE_SANDBOX) for rows in table.values() for module in rows}
    assert named <= {*modules()}
    for whole in WHOLE:
        assert list(SOURCE.glob(whole)), f"nothing is called {whole}: remove it from WHOLE"


@pytest.mark.parametrize(
    ("code", "function", "label"),
    [
        ("def f(p): return p.read_text()", "f", ".read_text"),
        ("class A:\n def f(self): open(self.p)", "A.f", "open"),
        ("import os\nos.truncate(p, 0)", "<module>", "os.truncate"),
        ("def f():\n def g(): return os.path.exists(p)\n return g", "f.g", "os.path.exists"),
        ("def f(path): stack.callback(path.unlink)", "f", ".unlink"),
        ("def f(path): return path.exists()", "f", ".exists"),
        ("async def f(): shutil.copyfile(a, b)", "f", "shutil.copyfile"),
        ("f = lambda p: np.load(p)", "<module>", "np.load"),
        ("from os import stat", "<module>", "from os import stat"),
        ("from tempfile import mkdtemp", "<module>", "from tempfile import mkdtemp"),
        ("def f(): a.replace(b)", "f", ".replace"),
        ("def f(): return map(Path.read_bytes, paths)", "f", ".read_bytes"),
        ("def f(s): s.connect('/a')", "f", ".connect"),
        ("x = FileIO('a')", "<module>", "FileIO"),
    ],
)
def test_lookups_are_found(code, function, label):
    assert lookups(code) == {function: Counter([label])}


@pytest.mark.parametrize(
    "code",
    ["'a'.replace('b', 'c')", "now.replace(tzinfo=None)", "ast.walk(tree)", "shutil.which('x')", "os.fstat(3)",
     "a = b.opened", "from io import FileIO", "json.loads(text)", "os.close(3)"],
)  # fmt: skip
def test_other_calls_are_not(code):
    assert lookups(code) == {}


def test_nothing_of_an_agent_s_is_unpickled_or_evaluated():
    """Pickles run code; so do eval and exec. What may be run is named: the suite's own source, in sandboxes."""
    allowed = {
        "sandbox/inside/jupyter_kernel.py": ["exec", "exec"],  # shared modules, and what kernels run first
        "sandbox/inside/supervisor.py": ["exec"],
        "scoring/function_runner.py": ["exec"],
    }
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("eval", "exec", "pickle.load", "pickle.loads", "marshal.loads", "joblib.load"):
                found.setdefault(name, []).append(called)
            elif called in ("torch.load", "np.load", "numpy.load"):
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                safe = keywords.get("weights_only") == "True" or (
                    called != "torch.load" and keywords.get("allow_pickle", "False") == "False"
                )
                if not safe:
                    found.setdefault(name, []).append(called)
    assert found == allowed
