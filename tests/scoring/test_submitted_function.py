"""What comes of submitted code: predictions of the prompt alone, a fault of the code, or one of the infrastructure."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import fork_client, probing, runtime_folders
from scribe_suite.sandbox import visible_files as shown
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.scoring import submitted_function
from scribe_suite.scoring.submitted_function import FunctionLimits, _plans, require_sandbox
from tests.scoring.submitting import NAMESPACES, PROMPTS, QUICK, SUMS, needs_namespaces, problem, returning, run


@needs_namespaces
class TestPredictions:
    @pytest.mark.usefixtures("either_way")
    def test_a_right_function_predicts_every_prompt_in_the_order_of_the_prompts(self):
        result = run(returning("[prompt[0] + prompt[1] for prompt in prompts]"))
        assert (result.predictions, result.problem, result.fault) == (SUMS, None, None)

    def test_a_long_request_may_be_read_slowly(self, monkeypatch):
        """The channel is polled until the sandbox is ready, and what is sent then must not be given up as soon."""
        monkeypatch.setattr(submitted_function, "_POLL_S", 1e-4)
        comment = "#" * 8_000_000
        assert run(f"{returning('[4] * len(prompts)')}\n{comment}").predictions == ((4,),) * len(PROMPTS)

    def test_a_constant_is_a_prediction(self):
        assert run(returning("[4] * len(prompts)")).predictions == ((4,),) * len(PROMPTS)

    @pytest.mark.core
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "expression",
        [
            "tuple(p[0] + p[1] for p in prompts)",
            "(p[0] + p[1] for p in prompts)",
            "map(sum, [p[:2] for p in prompts])",
            "np.array(prompts)[:, :2].sum(axis=1)",
            "np.array(prompts)[:, :2].sum(axis=1, keepdims=True)",
            "list(np.array(prompts)[:, :2].sum(axis=1).astype(np.uint8))",
            "[np.array(p[0] + p[1]) for p in prompts]",
            "[np.float32(p[0] + p[1]) for p in prompts]",
            "[float(p[0] + p[1]) for p in prompts]",
            "[[p[0] + p[1]] for p in prompts]",
            "[(p.pop(0) + p.pop(0)) for p in prompts]",
        ],
    )
    def test_every_usual_way_to_write_whole_numbers_is_read(self, expression):
        assert run(returning(expression)).predictions == SUMS

    @pytest.mark.parametrize("expression", ["[p[0] > 5 for p in prompts]", "np.array(prompts)[:, 0] > 5"])
    def test_truth_values_are_0_and_1(self, expression):
        predictions = run(returning(expression)).predictions
        assert predictions == tuple((int(prompt[0] > 5),) for prompt in PROMPTS)
        assert all(type(label) is int for (label,) in predictions)

    @pytest.mark.parametrize("expression", ["[p[:2] for p in prompts]", "np.array(prompts)[:, :2]"])
    def test_several_labels_per_prompt(self, expression):
        predictions = run(returning(expression), labels_per_prompt=2).predictions
        assert predictions == tuple(tuple(prompt[:2]) for prompt in PROMPTS)

    def test_prompts_may_differ_in_their_numbers_of_labels(self):
        prompts = [[1], [2, 3], [4, 5, 6]]
        result = run("def predict(prompts): return prompts", prompts, labels_per_prompt=[1, 2, 2])
        assert result.predictions == ((1,), (2, 3), None)

    @pytest.mark.core
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "value", ["None", "'3'", "1.5", "float('nan')", "2 ** 70", "[1, 2]", "[]", "np.zeros((2, 2))", "{}", "1j"]
    )
    def test_what_is_no_label_costs_its_prompt_only(self, value):
        result = run(returning(f"[{value} if p[0] == 7 else p[0] + p[1] for p in prompts]"))
        assert result.predictions == (*SUMS[:7], None, *SUMS[8:])
        assert (result.fault, "1 of 40 prompts" in result.problem) == ("labels", True)

    def test_code_may_print_and_have_state_dataclasses_and_threads_of_its_own(self):
        code = """
import sys, threading
from dataclasses import dataclass

@dataclass
class Rule:
    shift: int = 0

def predict(prompts):
    print("x" * 10_000_000)
    print("why", file=sys.stderr, flush=True)
    found = []
    worker = threading.Thread(target=lambda: found.extend(p[0] + p[1] + Rule().shift for p in prompts))
    worker.start()
    worker.join()
    return found
"""
        assert run(code).predictions == SUMS

    @pytest.mark.usefixtures("either_way")
    def test_its_threads_are_not_counted_together_with_those_of_notebooks(self):
        """A user id has one count for all its processes, and a notebook of the same run may have hundreds."""
        busy = "import threading, time; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(20)]"
        alone = "import threading\ndef predict(prompts): t = threading.Thread(target=len, args=('',)); t.start(); {}"
        with Sandbox(NAMESPACES, preload=None) as sandbox:
            private = sandbox.private_folders("p", sandbox.work_folder("w", {}))
            process = sandbox.start_python(private, ["-c", f"{busy}; print('up', flush=True)"], ProcessLimits())
            while process.poll() is None and not process.printed():
                time.sleep(0.02)
            assert process.poll() is None
            result = run(alone.format("t.join(); return [p[0] + p[1] for p in prompts]"))
            assert process.poll() is None
        assert (result.predictions, result.problem) == (SUMS, None)

    def test_equal_prompts_get_equal_predictions(self):
        result = run("def predict(prompts): return [prompt[0] for prompt in prompts]", [[5], [6], [5]])
        assert result.predictions == ((5,), (6,), (5,))

    def test_a_single_prompt_is_enough_and_none_is_refused(self):
        assert run(returning("[1 for _ in prompts]"), [[1]]).predictions == ((1,),)
        with pytest.raises(ValueError, match="without prompts"):
            run(returning("[]"), [])


@needs_namespaces
class TestOnlyThePromptCounts:
    def test_random_predictions_are_none(self):
        result = run("import random\ndef predict(prompts): return [random.randrange(10**9) for _ in prompts]")
        assert result.predictions == (None,) * len(PROMPTS)
        assert (result.fault, "40 of 40 prompts depends on more" in result.problem) == ("unstable", True)

    @pytest.mark.parametrize(
        "expression",
        [
            "range(len(prompts))",
            "[len(prompts)] * len(prompts)",
            "[sorted(prompts).index(p) for p in prompts]",
            "[p[0] > np.median([q[0] for q in prompts[-3:]]) for p in prompts]",
        ],
        ids=["place in the batch", "size of the batch", "rank in the batch", "comparison with the batch"],
    )
    def test_predictions_that_look_at_the_batch_are_not_valid(self, expression):
        result = run(returning(expression))
        assert result.fault == "unstable"
        assert result.predictions.count(None) >= 5

    def test_nothing_is_remembered_from_one_run_to_the_other(self):
        code = """
import json, os, random
places = ("/tmp/memory", "/dev/shm/memory")
memory = next((json.load(open(place)) for place in places if os.path.exists(place)), {})
def predict(prompts):
    predictions = [memory.setdefault(str(p), random.randrange(10**9)) for p in prompts]
    for place in places:
        with open(place, "w") as file:
            json.dump(memory, file)
    return predictions
"""
        assert set(run(code).predictions) == {None}

    def test_unstable_predictions_cost_only_their_prompts(self):
        code = returning("[np.random.randint(1 << 30) if p[0] < 3 else p[0] + p[1] for p in prompts]")
        assert run(code).predictions == (None, None, None, *SUMS[3:])

    def test_the_order_of_the_prompts_says_nothing(self):
        prompts = [(index, 0) for index in range(60)]
        shuffled = random.Random(5).sample(prompts, 60)
        assert _plans(prompts) == _plans(shuffled)
        for batches in _plans(prompts):
            assert sorted(prompt for batch in batches for prompt in batch) == prompts
        (whole,), mixed = _plans(prompts)
        assert [prompt for batch in mixed for prompt in batch] != whole != prompts
        assert min(map(len, mixed)) == 1
        assert len(mixed) >= 3


@needs_namespaces
class TestFaultsOfTheCode:
    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("def predict(prompts):\n    x = 1\n    return prompts[5000]", "raised IndexError at line 3: list index"),
            ("def predict(prompts)\n    return 1", "raised SyntaxError: expected ':'"),
            ("raise RuntimeError('at import')", "raised RuntimeError at line 1: at import"),
            ("predict = 3", "does not define predict"),
            ("x = 1", "does not define predict"),
            ("def predict(): return 1", "raised TypeError"),
            ("def predict(prompts): raise SystemExit(0)", "raised SystemExit at line 1: 0"),
            ("def predict(prompts): return predict(prompts)", "raised RecursionError at line 1"),
            ("def predict(prompts):\n    yield 1\n    yield 1 / 0", "raised ZeroDivisionError at line 3"),
            ("x = 1\0", "raised"),
            ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "raised E at line 3."),
            ("raise ValueError('a\\n\\x1b[31m' + 'b' * 10**6)", "raised ValueError at line 1: a"),
        ],
    )
    def test_an_exception_is_told_with_its_line(self, code, words):
        text, fault = problem(code)
        assert words in text
        assert "\x1b" not in text
        assert fault == "failed"

    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("3", "returned one int, not a list"),
            ("None", "returned one NoneType, not a list"),
            ("'1' * len(prompts)", "returned a str, not a list"),
            ("dict.fromkeys(range(len(prompts)))", "returned a dict, not a list"),
            ("set(range(len(prompts)))", "returned a set, not a list"),
            ("np.array(3)", "returned one ndarray, not a list"),
            ("[1]", "returned 1 predictions for the 40 prompts of a batch"),
            ("[]", "returned 0 predictions"),
            ("[1] * 41", "returned more predictions than the 40 prompts"),
            ("__import__('itertools').count()", "returned more predictions than"),
        ],
    )
    def test_a_wrong_shape_is_told(self, expression, words):
        text, fault = problem(returning(expression))
        assert words in text
        assert fault == "failed"

    @pytest.mark.core
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "body",
        [
            "while True: pass",
            "__import__('time').sleep(100)",
            "return (1 for _ in iter(int, 1) if False)",
            "__import__('signal').pthread_sigmask(0, range(1, 65)); __import__('time').sleep(100)",
        ],
    )
    def test_endless_code_is_stopped(self, body):
        begin = time.monotonic()
        assert problem(f"def predict(prompts):\n    {body}", QUICK) == (
            "The submitted function took more than 1.5 s.",
            "timeout",
        )
        assert time.monotonic() - begin < 10

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("os._exit(0)", "ended its process with exit code 0"),
            ("os._exit(125)", "ended its process with exit code 125"),
            ("os.kill(os.getpid(), 9)", "was killed, perhaps for its memory,"),
            ("os.kill(os.getpid(), 15)", "was ended by signal 15"),
            ("os.abort()", "was ended by signal 6"),
            ("os.closerange(0, 100); __import__('time').sleep(100)", "closed its channel"),
            ("os.execv('/bin/true', ['true'])", "ended its process with exit code 0"),
        ],
    )
    def test_an_end_without_an_answer_is_the_codes_own(self, body, words):
        text, fault = problem(f"import os\ndef predict(prompts):\n    {body}")
        assert f"{words} before it had predicted anything" in text
        assert fault == "killed"

    @pytest.mark.usefixtures("either_way")
    @pytest.mark.parametrize(
        "body",
        ["x = []\n    while True: x.append(bytes(50 << 20))", "return np.ones(10**9)", "return [1] * 10**10"],
    )
    def test_a_memory_bomb_is_refused_its_memory(self, body):
        text, fault = problem(f"import numpy as np\ndef predict(prompts):\n    {body}")
        assert "MemoryError" in text
        assert fault == "failed"

    def test_too_much_output_is_not_read(self):
        assert problem(returning("np.ones((len(prompts), 100_000), int)")) == (
            "The submitted function returned more than 4,194,304 bytes.",
            "output",
        )


class TestFaultsOfTheInfrastructure:
    CODE = returning("[1 for _ in prompts]")

    def refused(self, match: str, **options) -> None:
        with pytest.raises(InfrastructureError, match=match) as caught:
            run(self.CODE, **options)
        assert caught.value.cause == "sandbox"

    def test_code_never_runs_without_a_sandbox(self, monkeypatch):
        tier = IsolationTier("none", ("namespaces are forbidden here",))
        monkeypatch.setattr(submitted_function, "probe_isolation", lambda _: tier)
        self.refused("namespaces are forbidden here.*: allow unprivileged user namespaces")
        with pytest.raises(InfrastructureError, match="in a sandbox only"):
            require_sandbox()

    @needs_namespaces
    def test_a_sandbox_that_cannot_be_built_is_no_fault_of_the_code(self, monkeypatch):
        monkeypatch.setattr(shown, "read_only_binds", lambda: [("/does/not/exist", "/usr")])
        self.refused("did not start")

    @needs_namespaces
    def test_a_python_that_lacks_what_was_promised_is_no_fault_of_the_code(self, monkeypatch, tmp_path):
        broken = tmp_path / "runner.py"
        source = Path(submitted_function.function_runner.__file__).read_text()
        assert "import numpy" in source
        broken.write_text(source.replace("import numpy", "import numpy_that_is_missing"))
        monkeypatch.setattr(submitted_function.function_runner, "__file__", str(broken))
        self.refused("numpy_that_is_missing")

    @needs_namespaces
    def test_a_runner_that_ends_between_connecting_and_being_ready_is_no_fault_of_the_code(self, monkeypatch, tmp_path):
        broken = tmp_path / "runner.py"
        broken.write_text(
            "import socket, sys\nsocket.socket(socket.AF_UNIX).connect(sys.argv[1])\nraise SystemExit('gone')"
        )
        monkeypatch.setattr(submitted_function.function_runner, "__file__", str(broken))
        self.refused("before it was ready")

    @needs_namespaces
    def test_a_start_that_hangs_is_no_fault_of_the_code(self, monkeypatch, tmp_path):
        broken = tmp_path / "runner.py"
        broken.write_text("import time\ntime.sleep(100)")
        monkeypatch.setattr(submitted_function.function_runner, "__file__", str(broken))
        self.refused(r"not ready within 0\.5 s", limits=FunctionLimits(start_s=0.5))

    @needs_namespaces
    def test_too_little_memory_for_python_is_no_fault_of_the_code(self):
        self.refused("did not start", limits=FunctionLimits(memory_bytes=1 << 20))

    @needs_namespaces
    def test_a_full_disk_is_no_fault_of_the_code(self, monkeypatch):
        monkeypatch.setattr(runtime_folders, "short_temporary_folder", lambda: Path("/does/not/exist"))
        monkeypatch.setattr(fork_client, "_servers", {})
        self.refused("could not be started")

    @needs_namespaces
    def test_nothing_is_left_of_a_start_that_failed(self, monkeypatch, short_folder):
        self.test_a_sandbox_that_cannot_be_built_is_no_fault_of_the_code(monkeypatch)
        assert list(short_folder.glob("*/slots/*")) == []


@needs_namespaces
@pytest.mark.usefixtures("short_folder")
def test_all_evaluations_share_one_fork_server_and_one_trial_of_what_isolation_works(monkeypatch):
    class Counted(fork_client.ForkServer):
        def __init__(self, spec: fork_client.ServerSpec) -> None:
            started.append(spec)
            super().__init__(spec)

    started: list[fork_client.ServerSpec] = []
    monkeypatch.setattr(fork_client, "ForkServer", Counted)
    run(returning("[1 for _ in prompts]"))
    tried = probing.best_tier.cache_info().misses
    for _ in range(2):
        run(returning("[1 for _ in prompts]"))
    assert [spec.preload for spec in started] == [None]
    assert probing.best_tier.cache_info().misses == tried


def test_the_module_brings_no_torch_and_no_kernel_with_it():
    code = "import sys, scribe_suite.scoring.submitted_function; print({'torch', 'zmq', 'mcp'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
