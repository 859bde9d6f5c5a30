"""What a kernel sends is shortened before it is sent, and the session lives."""

from __future__ import annotations

import base64
import io
import textwrap

import pytest
from jupyter_client.session import Session
from PIL import Image

from scribe_suite.notebook.inside import limits
from scribe_suite.notebook.inside.limits import LimitedSession, encodable, limited_bundle, limited_error, limited_text

from .conftest import Run

FORK = """
import os
pid = os.fork()
if pid == 0:
    print('begin' + 'z' * 5_000_000 + 'end')
    os._exit(0)
os.waitpid(pid, 0);
"""
UPDATE = """
handle = display({'text/plain': 'w'}, raw=True, display_id=True)
handle.update({'text/plain': 'v' * 40_000_000}, raw=True)
"""
OTHERS = "{'application/json': ['q' * 40_000_000], 'text/html': 'h' * 40_000_000, 'text/plain': 'words'}"
REPR = """
class Long:
    def __repr__(self): return 'begin' + '\\0' * 40_000_000 + 'end'
Long()
"""
PAGE = "write_payload({'source': 'page', 'data': {'text/plain': 'p' * 40_000_000}})"
#: A PNG of 7 MB, without the time that it takes to try to compress noise.
PICTURE = """
import os, struct, zlib
from IPython.display import Image
def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
rows = b''.join(b'\\0' + os.urandom(4000 * 3) for _ in range(600))
header = struct.pack('>IIBBBBB', 4000, 600, 8, 2, 0, 0, 0)
chunks = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows, 0)) + chunk(b'IEND', b'')
Image(b'\\x89PNG\\r\\n\\x1a\\n' + chunks)
"""
#: Code that sends far more than a message may have -> what is shown of it.
HUGE = {
    "result": ("'y' * 70_000_000", ["'yyy", "characters left out", "yyy'"]),
    "printed": ("print('begin' + 'z' * 40_000_000 + 'end')", ["beginz", "characters left out", "zend"]),
    "printed by a fork": (FORK, ["beginz", "characters left out", "zend"]),
    "repr": (REPR, ["begin", "characters left out", "end"]),
    "display": ("display({'text/plain': 'w' * 40_000_000}, raw=True)", ["www", "left out"]),
    "update": (UPDATE, ["vvv", "left out"]),
    "other representations": (f"display({OTHERS}, raw=True)", ["words"]),
    "only another representation": (
        "display({'application/x-own': 'q' * 40_000_000}, raw=True)",
        ["x-own", "left out"],
    ),
    "structure without text": ("display({'application/json': ['q' * 40_000_000]}, raw=True)", ["left out"]),
    "message of an exception": ("raise ValueError('m' * 40_000_000)", ["ValueError", "mmm", "left out"]),
    "exception group": ("raise ExceptionGroup('g', [ValueError('v' * 3_000)] * 1000)", ["v" * 100]),
    "comm": ("import comm\ncomm = comm.create_comm('own', data='c' * 40_000_000)", ["comm_open", "left out"]),
    "buffers of a comm": ("comm.send({}, buffers=[b'b' * 40_000_000])", ["comm_msg", "left out"]),
    "page": (f"get_ipython().payload_manager.{PAGE}", ["ppp", "left out"]),
    "next cell": ("get_ipython().set_next_input('n' * 40_000_000)", ["nnn", "left out"]),
    "picture": (PICTURE, ["image 1"]),
    "no picture": ("display({'image/png': 'A' * 40_000_000, 'text/plain': '<F>'}, raw=True)", ["<F>", "left out"]),
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_huge_is_shortened_and_the_session_lives(run: Run, name):
    code, expected = HUGE[name]
    answer = run(f"kept = {name!r}\n{code}")
    assert [text for text in expected if text not in answer.text] == []
    assert len(answer.text) < 40_000
    assert run("print(kept)").output == name


#: Code whose result can't be sent as it is -> what is shown.
ODD = {
    "half a pair in a result": ("class Half:\n    def __repr__(self): return '\\ud83d'\nHalf()", "\ufffd"),
    "half a pair in a message": ("raise ValueError('\\ud83d')", "\ufffd"),
    "half a pair in a page": ("get_ipython().set_next_input('\\ud83d!')", "\ufffd!"),
    "half a pair in a name": ("raise type('\\ud83d', (Exception,), {})('odd')", "odd"),
    "no message": (
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError('mute')\nraise Mute()",
        "Mute whose str() raises RuntimeError",
    ),
    "no number": ("display({'text/plain': 'with metadata'}, metadata={'x': float('nan')}, raw=True)", "with metadata"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_encoded_costs_no_more_than_itself(run: Run, name):
    code, expected = ODD[name]
    assert expected in run(f"from IPython.display import display\n{code}").text
    assert run("1 + 1").output == "2"


def test_a_table_is_shortened_in_the_middle_whatever_its_html_has(run: Run):
    code = """
        class Table:
            def __repr__(self): return '\\n'.join(f'row {n}' for n in range(12_000))
            def _repr_html_(self): return '<td>' * 1_000_000
        Table()
        """
    shown = run(textwrap.dedent(code)).output
    assert shown.startswith("row 0\nrow 1\n")
    assert shown.endswith("row 11998\nrow 11999")


@pytest.mark.slow
def test_a_large_plot_of_noise_is_shown(run: Run):
    code = """
        import matplotlib.pyplot as plt, numpy as np
        plt.figure(figsize=(60, 60))
        plt.imshow(np.random.rand(5000, 5000))
        plt.show()
        """
    assert len(run(textwrap.dedent(code)).images) == 1


def noise(side: int, form: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 100).save(buffer, form)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(("kind", "form"), [("image/png", "PNG"), ("image/jpeg", "JPEG")])
def test_a_large_image_is_made_smaller_in_its_own_form(monkeypatch, kind, form):
    small = noise(300, form)
    monkeypatch.setattr(limits, "MAX_IMAGE", len(small) * 2)
    monkeypatch.setattr(limits, "IMAGE_SIDE", 300)
    bundle = limited_bundle({kind: noise(500, form), "text/plain": "<Figure>"})
    with Image.open(io.BytesIO(base64.b64decode(bundle[kind]))) as image:
        assert (image.format, image.size) == (form, (300, 300))
    assert bundle["text/plain"] == "<Figure>"
    assert limited_bundle({kind: small}) == {kind: small}


def test_an_image_that_cannot_be_made_smaller_is_left_out_with_a_note(monkeypatch):
    monkeypatch.setattr(limits, "MAX_IMAGE", 1000)
    for image in (noise(300), "no image" * 1000):
        bundle = limited_bundle({"image/png": image, "text/plain": "<Figure>"})
        assert bundle["text/plain"].startswith(f"<Figure>\n[image/png of {len(image):,} characters was left out")


def test_halves_of_surrogate_pairs_are_joined_or_replaced():
    assert encodable("\ud83d\ude00 \ud83d \ude00 ö") == "\U0001f600 \ufffd \ufffd ö"


def test_a_text_of_the_limit_is_left_alone():
    assert limited_text("x" * limits.MAX_TEXT) == "x" * limits.MAX_TEXT
    assert len(limited_text("x" * 10**7)) < limits.MAX_TEXT + 100


def test_an_error_keeps_its_first_and_last_lines():
    lines = [f"line {number} {'x' * 1000}" for number in range(5000)]
    error = limited_error({"ename": "E", "evalue": "e" * 10**6, "traceback": lines})
    assert sum(map(len, error["traceback"])) < limits.MAX_TRACEBACK + 100
    assert (error["traceback"][0][:7], error["traceback"][-1][-5:]) == ("line 0 ", "xxxxx")
    assert len(error["evalue"]) < limits.MAX_MESSAGE + 100


class Sent:
    """Stands in for a socket."""

    def send_multipart(self, parts, **_options):
        self.parts = parts


def test_a_reply_that_cannot_be_sent_still_says_that_the_cell_has_ended():
    session, socket = Session(key=b"x"), Sent()
    LimitedSession(session)
    for bad in ({"a": object()}, {"a": "x" * (limits.MAX_BYTES + 1)}):
        content = {"status": "ok", "execution_count": 3, "user_expressions": bad, "payload": []}
        session.send(socket, "execute_reply", content)
        _names, parts = session.feed_identities(socket.parts)
        reply = session.deserialize(parts)["content"]
        assert reply == {"status": "ok", "execution_count": 3, "user_expressions": {}, "payload": []}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, "ä"]}, '{\n  "a": [\n    1,\n    "ä"\n  ]\n}'),
        ([{1, 2}], '[\n  "{1, 2}"\n]'),
        ({("a", 1): 2}, "<JSON that can't be written: TypeError>"),
    ],
)
def test_json_without_another_text_is_shown_as_json(value, shown):
    bare = {"text/plain": "<IPython.core.display.JSON object>", "application/json": value}
    assert limited_bundle(bare)["text/plain"] == shown
    assert limited_bundle({**bare, "text/plain": "a chart"})["text/plain"] == "a chart"
    assert limited_bundle({"text/plain": bare["text/plain"]}) == {"text/plain": bare["text/plain"]}


def test_json_is_displayed_as_its_text(run: Run):
    answer = run("from IPython.display import JSON\ndisplay(JSON({'heads': ['a1.h0']}))")
    assert '"a1.h0"' in answer.text
    assert "IPython.core.display" not in answer.text
