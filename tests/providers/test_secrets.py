import base64
import json
import os
from urllib.parse import quote

import pytest

from scribe_suite.providers.clis.claude import ClaudeAdapter
from scribe_suite.providers.clis.codex import CodexAdapter
from scribe_suite.providers.clis.gemini import GeminiAdapter
from scribe_suite.providers.clis.login import find_login, give_login, secrets_of
from scribe_suite.providers.secrets import MARK, Scrubber, values_in_file
from scribe_suite.untrusted_files import UntrustedFolder

SECRET = 'sk-"quoted" key/with+signs='


@pytest.mark.parametrize(
    "form",
    [SECRET, json.dumps(SECRET), quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()],
    ids=["plain", "json", "url", "base64"],
)
def test_a_secret_is_removed_in_every_form(form):
    cleaned = Scrubber([SECRET]).clean(f"before {form} after {form}")
    assert MARK in cleaned
    assert cleaned.startswith("before ")
    assert form.strip('"').rstrip("=") not in cleaned


def test_short_values_are_words_not_secrets():
    assert Scrubber(["", "key", "1"]).clean("the key of 1") == "the key of 1"


def test_a_secret_that_contains_another_goes_whole():
    assert Scrubber(["abcdefgh", "abcdefgh-ijklmnop"]).clean("abcdefgh-ijklmnop") == MARK


def test_tokens_in_a_file_are_found_at_any_depth(tmp_path):
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"tokens": [{"access": "a" * 30, "kind": "short"}], "number": 3}))
    assert values_in_file(path) == ["a" * 30]
    path.write_text("{")
    assert values_in_file(path) == []
    assert values_in_file(tmp_path / "missing") == []


def write(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_key_goes_before_files_and_no_file_is_copied_then(tmp_path):
    write(tmp_path / ".claude/.credentials.json", token="t" * 40)
    login = find_login(ClaudeAdapter, {"HOME": str(tmp_path), "ANTHROPIC_API_KEY": "k" * 40, "OPENAI_API_KEY": "no"})
    assert login.variables == ("ANTHROPIC_API_KEY",)
    give_login(login, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert secrets_of(login, UntrustedFolder(tmp_path), {"ANTHROPIC_API_KEY": "k" * 40}) == ["k" * 40]


@pytest.mark.parametrize(
    ("adapter", "variable", "place"),
    [
        (CodexAdapter, "HOME", ".codex/auth.json"),
        (CodexAdapter, "CODEX_HOME", "auth.json"),
        (ClaudeAdapter, "CLAUDE_CONFIG_DIR", ".credentials.json"),
        (GeminiAdapter, "GEMINI_CLI_HOME", ".gemini/oauth_creds.json"),
    ],
)
def test_files_are_found_where_the_user_has_them_and_copied_for_the_cli_alone(tmp_path, adapter, variable, place):
    write(tmp_path / "user" / place, refresh="r" * 40)
    environ = {variable: str(tmp_path / "user"), "HTTPS_PROXY": "http://me:proxy-password@proxy:3128"}
    login = find_login(adapter, environ)
    assert login
    home = tmp_path / "home"
    give_login(login, home)
    (copy,) = [path for path in home.rglob("*") if path.is_file()]
    assert copy.stat().st_mode & 0o777 == 0o600
    write(copy, refresh="n" * 40)  # the CLI has renewed its token
    assert secrets_of(login, UntrustedFolder(home), environ) == ["r" * 40, "n" * 40, "proxy-password"]
    copy.unlink()
    os.mkfifo(copy)  # or it has left something that is not to be read
    assert secrets_of(login, UntrustedFolder(home), environ) == ["r" * 40, "proxy-password"]


@pytest.mark.parametrize("adapter", [ClaudeAdapter, CodexAdapter, GeminiAdapter])
def test_no_login_is_none(tmp_path, adapter):
    assert not find_login(adapter, {"HOME": str(tmp_path)})
    assert not find_login(adapter, {})
