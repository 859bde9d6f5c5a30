"""The folder of an attempt: what is in it, and what its socket answers."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.builtin.human import handover
from scribe_suite.providers.builtin.human.handover import FOLDER_VARIABLE, Counter, handed_over, is_open
from scribe_suite.untrusted_files import UntrustedFolder

PLOT = """
from IPython.display import Image, display
import base64
display(Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "desk"
    monkeypatch.setenv(FOLDER_VARIABLE, str(place))
    monkeypatch.setattr(handover, "root", lambda: tmp_path / "root")
    return place


def names(folder):
    return sorted(path.name for path in folder.iterdir())


async def asked(folder, **request):
    reader, writer = await asyncio.open_unix_connection(str(folder / "sock"))
    writer.write(json.dumps(request).encode() + b"\n")
    reply = json.loads(await reader.readline())
    writer.close()
    return reply


def test_the_folder_has_a_socket_and_help_and_the_prompt_only_once_the_clock_runs(sit, folder):
    async def scenario(sitting):
        async with handed_over(sitting, "toy_human_1") as place:
            assert place == folder
            assert names(folder) == ["README.md", "sock"]
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert "has not been started" in (await asked(folder, do="prompt"))["refused"]
            await asked(folder, do="start")
            assert names(folder) == ["README.md", "prompt.md", "sock", "tools.json"]
            assert (folder / "prompt.md").read_text().startswith("# The question")
            assert {tool["name"] for tool in json.loads((folder / "tools.json").read_text())} >= {"submit_answer"}
            assert (folder.parent / "root" / "toy_human_1").resolve() == folder
        assert not is_open(folder)
        assert "sock" not in names(folder)
        assert not (folder.parent / "root" / "toy_human_1").is_symlink()

    sit(scenario)


def test_everything_an_agent_can_do_can_be_done_through_the_socket(sit, folder):
    async def scenario(sitting):
        async with handed_over(sitting, "toy"):
            await asked(folder, do="start")
            started = await asked(folder, do="ask", tool="start_new_session", arguments={})
            session = sitting.status().sessions[-1]
            assert session in started["text"]
            shown = await asked(folder, do="ask", tool="execute_code", arguments={"session_id": session, "code": PLOT})
            (image,) = shown["images"]
            assert image == str(folder / "images" / "image1.png")
            assert (folder / "images" / "image1.png").read_bytes().startswith(b"\x89PNG")
            assert (await asked(folder, do="ask", tool="execute_code", arguments={"session_id": "s77", "code": "1"}))[
                "is_error"
            ]
            assert (await asked(folder, do="note", text="so far"))["text"] == "The note is kept."
            assert (await asked(folder, do="pause"))["text"] == "The clock is stopped."
            assert (await asked(folder, do="status"))["status"]["stage"] == "paused"
            assert "is stopped" in (await asked(folder, do="submit", variable="values"))["refused"]
            await asked(folder, do="resume")
            assert "noted" in (await asked(folder, do="submit", variable="values"))["text"]
            assert len((await asked(folder, do="tools"))["tools"]) == 10
            assert (await asked(folder, do="quit"))["text"] == "The attempt is over."
            assert sitting.over.is_set()

    sit(scenario)


@pytest.mark.parametrize(
    "line",
    [b"", b"not json\n", b"[]\n", b"{}\n", b'{"do": "score"}\n', b'{"do": ["start"]}\n', b'{"do": "note"}\n',
     b'{"do": "ask"}\n', b'{"do": "ask", "tool": "interrupt", "arguments": 3}\n', b"\xff\xfe\n"],
    ids=repr,
)  # fmt: skip
def test_a_request_that_makes_no_sense_gets_a_sentence(sit, tmp_path, line):
    async def scenario(sitting):
        sitting.start()
        with UntrustedFolder(tmp_path) as folder:
            return await Counter(sitting, folder).answer(line)

    reply = sit(scenario)
    assert set(reply) == {"refused", "seconds"}
    assert reply["refused"]


def test_one_folder_is_for_one_attempt(sit, folder):
    async def scenario(sitting):
        async with handed_over(sitting, "first"):
            with pytest.raises(InfrastructureError, match="Another attempt") as caught:
                async with handed_over(sitting, "second"):
                    pass
        return caught.value.cause

    assert sit(scenario) == "handover"


@pytest.mark.parametrize(("name", "why"), [("x" * 120, "too long"), ("file/below", "can't be handed over")])
def test_a_folder_that_can_not_be_used_is_an_infrastructure_failure(sit, tmp_path, monkeypatch, name, why):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / name))

    async def scenario(sitting):
        async with handed_over(sitting, "toy"):
            pass

    with pytest.raises(InfrastructureError, match=why) as caught:
        sit(scenario)
    assert caught.value.cause == "handover"


def test_a_folder_that_nobody_has_named_is_removed_with_what_was_put_there(sit, tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(handover, "root", lambda: tmp_path / "r")

    async def scenario(sitting):
        async with handed_over(sitting, "toy", "http://127.0.0.1:1/") as folder:
            assert folder == tmp_path / "r" / "toy"
            assert (folder / "address").read_text() == "http://127.0.0.1:1/\n"
            await asked(folder, do="start")
        return folder

    assert not sit(scenario).exists()


def test_a_link_in_the_folder_does_not_lead_out_of_it(sit, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ledger").write_text("kept")
    folder.mkdir()

    async def scenario(sitting):
        async with handed_over(sitting, "toy"):
            (folder / "prompt.md").symlink_to(outside / "ledger")
            (folder / "images").symlink_to(outside)
            await asked(folder, do="start")
            await asked(folder, do="ask", tool="start_new_session", arguments={})
            session = sitting.status().sessions[-1]
            return await asked(folder, do="ask", tool="execute_code", arguments={"session_id": session, "code": PLOT})

    assert "can't be written" in sit(scenario)["refused"]
    assert (outside / "ledger").read_text() == "kept"
    assert names(outside) == ["ledger"]
    assert not (folder / "prompt.md").is_symlink()
