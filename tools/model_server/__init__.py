"""A scripted model server: Anthropic Messages, OpenAI's two APIs and Gemini on 127.0.0.1, played from scenario files.

Start it with `ModelServer`; `scenarios/README.md` says how a scenario file is written.
"""

from .plays import LoggedRequest
from .scenario import Call, Failure, Scenario, ScenarioError, Step, load_scenario, scenario_names
from .server import ModelServer
from .solving import solve
from .usage import Usage, usage_at, usage_total

__all__ = [
    "Call",
    "Failure",
    "LoggedRequest",
    "ModelServer",
    "Scenario",
    "ScenarioError",
    "Step",
    "Usage",
    "load_scenario",
    "scenario_names",
    "solve",
    "usage_at",
    "usage_total",
]
