"""The cheat provider: tries every cheat, reports what each got, and submits what a cheater would fall back on.

It gets what every agent gets. An attempt in which a cheat got something ends with the failure ``cheat_succeeded``,
which is a flag in its record; `REPORT` in the attempt's folder has the details.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import anyio

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Provider, ProviderResult
from scribe_suite.providers.builtin.cheating.bait import laid_out
from scribe_suite.providers.builtin.cheating.knowing_nothing import answers_knowing_nothing
from scribe_suite.providers.builtin.cheating.loot import answers_in, loot_in
from scribe_suite.providers.builtin.cheating.scene import CheatBrokenError, Scene
from scribe_suite.providers.builtin.cheating.table import CHEATS, Cheat
from scribe_suite.providers.builtin.client_loop import drive
from scribe_suite.providers.builtin.mcp_client import NotebookClient
from scribe_suite.tasks.prompts import example_in

REPORT = "cheats.json"
#: Seconds within which a working notebook answers.
_LIFE_SIGN_S = 5.0


@dataclass(frozen=True)
class Tried:
    """The result of a cheat.

    Attributes:
        name: Its name in the table.
        got: Whether it got something.
        detail: What it got, or why it could not be tried.
        tried: Whether it was tried completely.
        alive: Whether the notebook still answered afterwards.
        seconds: How long it took.
    """

    name: str
    got: bool
    detail: str
    tried: bool
    alive: bool
    seconds: float


class CheatProvider(Provider):
    """Plays all cheats, or with ``cheat:NAME+NAME`` some of them."""

    name = "cheat"
    summary = "tries documented cheats and knows nothing: must have no skill, its attempts are tests"

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Cheat.

        Raises:
            AttemptFailedError: With cause ``cheat_succeeded`` when a cheat got something, ``cheat_broken`` when one
                could not be tried.
        """
        chosen = chosen_cheats(context.model)
        tried: list[Tried] = []
        with laid_out(context.outputs, example := example_in(context.prompt)) as bait:

            async def work(notebook: NotebookClient) -> str:
                scene = Scene(notebook, context, bait, example)
                loot: list[str] = []
                await scene.session("look_around")  # the first one may take a while, which no cheat's time should count
                await scene.leave()
                for name, cheat in chosen.items():
                    scene.heard.clear()
                    tried.append(await _try(name, cheat, scene))
                    _write(context, tried)
                    loot += scene.heard if tried[-1].got else []
                    if not tried[-1].alive:
                        return _summary(tried)
                try:
                    await _submit(scene, answers_in(loot, example))
                except CheatBrokenError as error:
                    tried.append(Tried("the answer", False, str(error), tried=False, alive=True, seconds=0.0))
                return _summary(tried)

            result = drive(context, work)
        failures = {
            "cheat_succeeded": [one for one in tried if one.got],
            "cheat_broken": [one for one in tried if not one.tried],
        }
        for cause, those in failures.items():
            if those:
                detail = "; ".join(f"{one.name}: {one.detail}" for one in those)
                raise AttemptFailedError(cause, detail, replace(result, end_reason=EndReason.FAILED))
        return result


def chosen_cheats(model: str | None) -> dict[str, Cheat]:
    """The cheats that ``cheat:NAME+NAME`` names; all without a name.

    Raises:
        ConfigurationError: For a name that is in no row of the table.
    """
    if model is None:
        return CHEATS
    unknown = [name for name in model.split("+") if name not in CHEATS]
    if unknown:
        raise ConfigurationError(f"There is no cheat {unknown[0]!r}: choose from {', '.join(CHEATS)}.")
    return {name: CHEATS[name] for name in model.split("+")}


async def _try(name: str, cheat: Cheat, scene: Scene) -> Tried:
    begin = time.monotonic()
    got: list[str] = []
    problem = ""
    with anyio.move_on_after(cheat.limit_s) as limit:
        try:
            got.append(await cheat.play(scene))
        except Exception as error:  # the others are still to be tried, and this one must not count as tried
            problem = str(error) if isinstance(error, CheatBrokenError) else f"{type(error).__name__}: {error}"
    if limit.cancelled_caught:
        problem = f"it took more than {cheat.limit_s:g} s"
    alive = await _answers(scene)
    if not alive:
        got.append("the notebook no longer answers")
    if scene.mark.exists():
        got.append("what it left behind was run outside of the kernel")
        scene.mark.unlink()
    got += loot_in(scene.heard, scene.bait.token)
    found = [text for text in got if text]
    seconds = round(time.monotonic() - begin, 2)
    return Tried(name, bool(found), "; ".join(found)[:2000] or problem, not problem, alive, seconds)


async def _answers(scene: Scene) -> bool:
    """Whether the notebook still works; checks by shutting down the cheat's sessions."""
    with anyio.move_on_after(_LIFE_SIGN_S) as waiting:
        await scene.leave()
    return not waiting.cancelled_caught


async def _submit(scene: Scene, found: Sequence[dict[str, object]]) -> None:
    """Submit a found or prepared answer if there is one, else an answer made without knowledge."""
    for answer in (*found, *scene.parting, *answers_knowing_nothing(scene.example)):
        if await scene.submit(answer):
            return


def _write(context: AttemptContext, tried: Sequence[Tried]) -> None:
    (context.outputs / REPORT).write_text(json.dumps([asdict(one) for one in tried], indent=1) + "\n")


def _summary(tried: Sequence[Tried]) -> str:
    names = [one.name for one in tried if one.got]
    return f"{len(tried)} cheats were tried; {', '.join(names) if names else 'none'} got something."
