"""A small checkout of its own for plugin tests: one family with two toy tasks and a few providers of another package.

The toys have real kernels, prompts and solutions, but their "model" is a list of numbers, so that no test here waits
for torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.ledger.ledger import Ledger, read_ledger

REPOSITORY = Path(__file__).resolve().parents[2]

TOY_TASK = '''
"""Find the numbers above ten."""

import json
import random

from scribe_suite.scoring.sets import COMPONENT_METRICS, score_components
from scribe_suite.tasks import AnswerSchema, ComponentAnswer, PlantedTask, PublicMaterial, TaskInstance

UNIVERSE = tuple(f"m{number}" for number in range(8))


class Toy(PlantedTask):
    family = "circuits"
    name = "TASK_NAME"
    summary = "numbers above ten"
    metrics = COMPONENT_METRICS
    pass_mark = 0.8
    MORE_ATTRIBUTES

    def plant(self, seed, progress):
        raise NotImplementedError

    def instance(self, seed):
        BEFORE_INSTANCE
        rng = random.Random(seed)
        truth = sorted(rng.sample(UNIVERSE, 3))
        values = {node: rng.randint(11, 20) if node in truth else rng.randint(0, 9) for node in UNIVERSE}
        public = PublicMaterial(
            data_files={"values.json": json.dumps(values).encode()},
            data_code='import json\\nvalues = json.load(open("values.json"))',
            facts={"components": UNIVERSE, "n": len(UNIVERSE)},
        )
        schema = AnswerSchema(
            ComponentAnswer,
            public.facts,
            {"components": ["m0"], "confidence": 0.9, "summary": "because"},
        )
        return TaskInstance(self, seed, "toy/seed0", public, frozenset(truth), schema)

    def score(self, instance, answer):
        BEFORE_SCORE
        return score_components(answer.components, instance.hidden, chance=2 / (1 + len(UNIVERSE)), reference_f1=1.0)

    def oracle_answer(self, instance):
        return {"components": sorted(instance.hidden), "confidence": 1.0, "summary": "the key"}

    def random_answer(self, instance, rng):
        # one of three, so that no guess is ever right
        return {"components": rng.sample(UNIVERSE, 1), "confidence": 0.1, "summary": "a guess"}
'''

TOY_SOLUTION = """
# %% [markdown]
# Everything above ten.
# %%
chosen = [name for name, value in values.items() if value > 10]
print(chosen)
# %%
answer = {"components": chosen, "confidence": 1.0, "summary": "above ten"}
"""

TOY_PROMPT = """{% extends "preamble.md" %}
{% block title %}# Numbers{% endblock %}
{% block question %}Which of the {{ facts.n }} numbers in `values` are above ten?{% endblock %}
"""

TOY_TEST = """
import pytest

@pytest.mark.family("circuits")
@pytest.mark.metrics("iou", "precision", "recall", "f1")
def test_circuit(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
"""

PROVIDERS = '''
import json
import os
import time

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import EndReason, Provider, ProviderResult
from scribe_suite.providers.builtin.client_loop import drive


class Dies(Provider):
    """Takes its worker process down."""
    name = "dies"
    def attempt(self, context):
        os._exit(7)


class NoLogin(Provider):
    name = "nologin"
    def attempt(self, context):
        raise InfrastructureError("not_logged_in", "Log in with `nologin login`.")


class Broken(Provider):
    name = "broken"
    def attempt(self, context):
        raise RuntimeError("a bug in the provider")


class Limited(Provider):
    name = "limited"
    def attempt(self, context):
        return ProviderResult(EndReason.LIMIT, "40 turns were used.", turns=40, tokens={"input": 5}, cost_usd=0.25)


class Says(Provider):
    """Runs the code in the environment variable TOY_CODE and submits `answer`."""
    name = "says"
    def attempt(self, context):
        async def work(notebook):
            session = await notebook.start_session("says")
            await notebook.call("execute_code", session_id=session, code=os.environ["TOY_CODE"])
            done = await notebook.call("submit_answer", session_id=session, variable="answer")
            return done.text if done.is_error else ""
        return drive(context, work)


class Submits(Provider):
    """Runs the codes in the list TOY_CODES one after the other, and submits `answer` after each of them."""
    name = "submits"
    def attempt(self, context):
        async def work(notebook):
            session = await notebook.start_session("submits")
            for number, code in enumerate(json.loads(os.environ["TOY_CODES"]), start=1):
                await notebook.call("execute_code", session_id=session, code=code)
                context.activity.tokens, context.activity.cost_usd = 1000 * number, 0.25 * number
                done = await notebook.call("submit_answer", session_id=session, variable="answer")
            return done.text if done.is_error else ""
        return drive(context, work)


class Weird(Provider):
    """Returns, or raises, the expression in TOY_TRANSCRIPT."""
    name = "weird"
    def attempt(self, context):
        result = eval(os.environ["TOY_TRANSCRIPT"])
        if isinstance(result, Exception):
            raise result
        return result


class Late(Provider):
    """Submits the key half a second after its time is over; the harness has to notice."""
    name = "late"
    def attempt(self, context):
        async def work(notebook):
            session = await notebook.start_session("late")
            await notebook.call("execute_code", session_id=session, code="import time; time.sleep(WALL + 0.5)".replace(
                "WALL", str(context.limits.wall_s)))
            code = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='late')"
            await notebook.call("execute_code", session_id=session, code=code)
            done = await notebook.call("submit_answer", session_id=session, variable="answer")
            return done.text
        import dataclasses
        patient = dataclasses.replace(context, limits=dataclasses.replace(context.limits, wall_s=120))
        return drive(patient, work)


class Stubborn(Provider):
    """Never stops by itself."""
    name = "stubborn"
    def attempt(self, context):
        while True:
            time.sleep(0.1)


class Throttled(Provider):
    """Notes in THROTTLED_LOG when it begins; the first attempt of all does what is done when a service says 429."""
    name = "throttled"
    def attempt(self, context):
        with open(os.environ["THROTTLED_LOG"], "a") as log:
            log.write(f"{time.time()} {os.environ.get('SLURMD_NODENAME', '')}\\n")
        try:
            os.close(os.open(os.environ["THROTTLED_LOG"] + ".first", os.O_CREAT | os.O_EXCL))
            context.slots.pause(15.0)
        except FileExistsError:
            pass
        time.sleep(0.5)
        return ProviderResult(EndReason.FINISHED)


class Greedy(Provider):
    name = "greedy"
    needs = frozenset({"oracle_answer"})
    def attempt(self, context):
        raise AssertionError("never called")
'''


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of one test that runs a pytest of its own, five seconds each, all but the first are slow."""
    seen = set()
    for item in items:
        if isinstance(item, pytest.Function) and "suite" in item.fixturenames and hasattr(item, "callspec"):
            test = (item.path, item.originalname)
            if test in seen and item.get_closest_marker("agents") is None:
                item.add_marker(pytest.mark.slow)
            seen.add(test)


@dataclass
class Run:
    """What a pytest run left behind."""

    result: pytest.RunResult
    folder: Path

    @property
    def ret(self) -> int:
        return int(self.result.ret)

    @property
    def output(self) -> str:
        return self.result.stdout.str() + self.result.stderr.str()

    @property
    def ledger(self) -> Ledger:
        (path,) = self.folder.glob("runs/*.jsonl")
        return read_ledger(path)

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome by the part of the id in brackets."""
        return {record.nodeid.partition("[")[2].rstrip("]"): record.outcome for record in self.ledger.attempts}

    def json_report(self) -> dict[str, Any]:
        (path,) = self.folder.glob("runs/*.report.json")
        report: dict[str, Any] = json.loads(path.read_text())
        return report


class Suite:
    """A checkout in a temporary folder, and pytest runs in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path
        self.write("conftest.py", 'pytest_plugins = ["scribe_suite.plugin"]\n')
        self.write("pytest.ini", "[pytest]\nstrict = true\naddopts = -p no:hypothesispytest\n")
        self.write("benchmarks/circuits/test_circuits.py", TOY_TEST)
        self.write("prompts/preamble.md", (REPOSITORY / "prompts" / "preamble.md").read_text())
        self.add_task("toy")
        self.write("agents/toy_agents.py", PROVIDERS)
        names = {
            name.lower(): name
            for name in (
                "Dies",
                "NoLogin",
                "Broken",
                "Limited",
                "Says",
                "Submits",
                "Weird",
                "Late",
                "Stubborn",
                "Throttled",
                "Greedy",
            )
        }
        lines = "\n".join(f"{name} = toy_agents:{cls}" for name, cls in names.items())
        self.write("agents/toy_agents-1.0.dist-info/entry_points.txt", f"[scribe_suite.providers]\n{lines}\n")
        self.write(
            "agents/toy_agents-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy_agents\nVersion: 1.0\n"
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text) if text.startswith("\n") else text)
        return path

    def add_task(
        self, name: str, before_instance: str = "pass", before_score: str = "pass", attributes: str = "..."
    ) -> None:
        task = TOY_TASK.replace("TASK_NAME", name).replace("MORE_ATTRIBUTES", attributes)
        task = task.replace("BEFORE_INSTANCE", before_instance).replace("BEFORE_SCORE", before_score)
        self.write(f"ground_truth/circuits/{name}.py", task)
        self.write(f"ground_truth/solutions/circuits/{name}.py", TOY_SOLUTION)
        self.write(f"prompts/circuits/{name}.md", TOY_PROMPT)

    def run(self, *arguments: str, path: str = "benchmarks", timeout_s: float = 180) -> Run:
        result = self._pytester.runpytest_subprocess(path, "-p", "no:cacheprovider", *arguments, timeout=timeout_s)
        return Run(result, self.folder)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a run and leave it to itself, in a session of its own."""
        command = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def attempt_lines(self) -> int:
        """Attempts that are in the ledger now."""
        return sum(path.read_text().count('"line":"attempt"') for path in self.folder.glob("runs/*.jsonl"))


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    made = Suite(pytester)
    monkeypatch.setenv("SCRIBE_SUITE_ROOT", str(made.folder))
    monkeypatch.setenv("PYTHONPATH", f"{made.folder / 'agents'}:{REPOSITORY / 'src'}:{REPOSITORY}")
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return made
