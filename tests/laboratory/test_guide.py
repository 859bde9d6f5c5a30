"""The examples of docs/guide/laboratory.md, in order, against the real operations without a process."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save

from scribe_suite.laboratory.inside import operations
from scribe_suite.laboratory.recipes import Recipe, Wanted, run_message
from scribe_suite.laboratory.shape import ModelShape

from .fakes import FakeModels, attempt, client
from .small_models import loaded

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "laboratory.md"
SHOWN = re.compile(r"^(?P<code>\S.*?)  # -> (?P<value>.*)$")


class OwnModels(FakeModels):
    """The operations of the model process, in this one."""

    def run(
        self, model: str, recipes: Sequence[Recipe], wanted: Wanted, *, given_up: Callable[[], bool] = lambda: False
    ) -> bytes:
        header, data = run_message(model, recipes, wanted)
        return bytes(save(operations.run(loaded("LN"), header["recipes"], header["wanted"], load(data))))


def test_the_examples_of_the_guide_do_what_they_show(tmp_path: Path):
    shape = ModelShape.of_sizes(loaded("LN").sizes.as_message(), "prompt")
    made = attempt(tmp_path, shape, OwnModels(shape), budget=500)
    prompts = torch.tensor(np.random.default_rng(0).integers(0, 11, (8, 6)))
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    with made.desk:
        names: dict[str, object] = {"lab": client(made.desk), "prompts": prompts}
        for block in blocks:
            printed, expected = run_block(block, names)
            assert printed == expected
        spent = made.desk.status().spent
        assert made.desk.status().runs == len(made.lines("run")) == 13
    assert spent == 8 * (1 + 1 + 4 * 2 + 3 * 2 + (1 + 1 + 2) + 3)
    assert {line["event"] for line in made.lines()} == {"laboratory", "run", "repeated", "refused", "end"}
    guide = GUIDE.read_text()
    for line in made.lines():
        row = re.search(rf"^\| `{line['event']}` \|.*$", guide, re.MULTILINE)
        assert row is not None
        if line["event"] in ("run", "repeated", "refused"):
            named = set(re.findall(r"`(\w+)`", row.group()))
            assert set(line) - {"event", "time", "number", "outputs", "labels"} <= named, line


def run_block(block: str, names: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """What a block of code prints, its shown expressions included, and what it says it does."""
    expected = re.findall(r"  # -> (.*)$", block, re.MULTILINE)
    lines = [SHOWN.sub(r"print((\g<code>))", line) for line in block.splitlines()]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec("\n".join(lines), names)  # type: ignore[arg-type]
    return output.getvalue().splitlines(), expected
