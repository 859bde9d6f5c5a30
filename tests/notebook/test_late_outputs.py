"""What cells put out after their replies, in real kernels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .agent import Agent, Answer, play

WAYS = {
    "thread": "import threading, time\nthreading.Timer(0.2, lambda: print('late news')).start()",
    "task": "import asyncio\nasync def tell():\n    await asyncio.sleep(0.2)\n    print('late news')\n"
    "told = asyncio.create_task(tell())",
    "display": "import asyncio\nasync def tell():\n    await asyncio.sleep(0.2)\n    display('late news')\n"
    "told = asyncio.create_task(tell())",
    "failed task": "import asyncio\nasync def fail():\n    await asyncio.sleep(0.2)\n"
    "    raise ValueError('late news')\nasyncio.create_task(fail()); None",
    "failed thread": "import threading, time\ndef fail():\n    time.sleep(0.2)\n    raise ValueError('late news')\n"
    "threading.Thread(target=fail).start()",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_an_earlier_cell_puts_out_late_is_named_in_the_next_reply_and_only_there(server, way):
    async def scenario(agent: Agent) -> list[Answer]:
        first = await agent.run(WAYS[way])
        await asyncio.sleep(0.7)
        return [first, await agent.call("add_markdown", session_id=agent.session_id, content="x"), await agent.run("1")]

    first, second, third = play(server, scenario)
    assert "late news" not in first.text
    assert "put out late by cell_index 1, execution_count 2" in second.text
    assert "late news" in second.text
    (late,) = second.payload["late_outputs"]
    assert late["cell_index"] == 1
    assert "late" not in third.text


def test_a_late_figure_comes_as_an_image_behind_those_of_the_cell(server):
    figure = "import base64, io, PIL.Image\nfrom IPython.display import Image, display\nraw = io.BytesIO()\n"
    figure += "PIL.Image.new('L', (3, 3)).save(raw, 'PNG')\nshow = lambda: display(Image(raw.getvalue()))\n"

    async def scenario(agent: Agent) -> Answer:
        await agent.run(f"{figure}import threading\nthreading.Timer(0.2, show).start()")
        await asyncio.sleep(0.7)
        return await agent.run("show()")

    answer = play(server, scenario)
    assert len(answer.images) == 2
    assert answer.text.index("[image 1, below]") < answer.text.index("put out late") < answer.text.index("[image 2")


def test_output_that_comes_while_its_own_reply_is_made_is_told_once(server):
    async def scenario(agent: Agent) -> list[Answer]:
        code = "import threading, time\n"
        code += "def count():\n    for n in range(30): print(f'<{n}>', flush=True); time.sleep(0.02)\n"
        return [
            await agent.run(f"{code}threading.Thread(target=count).start()\ntime.sleep(0.1)"),
            await agent.run("time.sleep(0.2)"),
            await agent.run("time.sleep(1)"),
            await agent.run("1"),
        ]

    texts: Any = "".join(answer.text for answer in play(server, scenario))
    assert [texts.count(f"<{n}>") for n in range(30)] == [1] * 30
