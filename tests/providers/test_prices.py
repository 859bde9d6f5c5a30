import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.prices import VARIABLE, cost_of, price_table
from scribe_suite.providers.transcript import Tokens

TABLE = """
date = "2026-11-25"
[models."m-1"]
input = 3.0
output = 15.0
cached = 0.3
cache_write = 3.75
[models.plain]
input = 1.0
output = 2.0
"""
MILLION = 1_000_000


@pytest.fixture
def table(tmp_path, monkeypatch):
    path = tmp_path / "prices.toml"
    path.write_text(TABLE)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_every_kind_of_token_has_its_price(table):
    tokens = Tokens(input=MILLION, cached=MILLION, cache_write=MILLION, output=MILLION, reasoning=MILLION)
    assert cost_of("m-1", tokens) == pytest.approx(3.0 + 0.3 + 3.75 + 15.0 + 15.0)
    assert cost_of("plain", tokens) == pytest.approx(1.0 + 1.0 + 1.0 + 2.0 + 2.0)


def test_what_is_not_known_is_not_guessed(table):
    assert cost_of("m-2", Tokens(input=1)) is None
    assert cost_of(None, Tokens(input=1)) is None
    assert cost_of("m-1", None) is None


def test_a_dated_state_of_a_model_has_the_price_of_the_model(table):
    assert cost_of("plain-20260131", Tokens(input=MILLION)) == cost_of("plain-2026-01-31", Tokens(input=MILLION)) == 1.0
    assert cost_of("plain-mini", Tokens(input=MILLION)) is None


def test_the_table_of_the_package_can_be_read(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    table = price_table()
    assert "gpt-5.2" in table
    for name, price in table.items():
        # a cached token is never dearer than a fresh one, and output never cheaper than input
        assert price.cached is not None, name
        assert 0 < price.cached < price.input < price.output, name


@pytest.mark.parametrize(
    "text", ["[models.x]\ninput = 1.0", "models = 3", "not toml", "[models.x]\ninput = 'a'\noutput = 1"]
)
def test_a_table_of_another_form_is_named(table, text):
    other = table.with_name("other.toml")
    other.write_text(text)
    with pytest.raises(ConfigurationError, match=r"other\.toml can't be read"):
        price_table(other)
    with pytest.raises(ConfigurationError, match="missing"):
        price_table(table.with_name("missing.toml"))


def test_tokens_add_up_and_unused_kinds_are_left_out():
    both = Tokens(input=1, output=2) + Tokens(input=10, cached=5)
    assert both.by_kind() == {"input": 11, "cached": 5, "output": 2}
    assert Tokens().by_kind() == {"input": 0, "output": 0}
