import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.base import Provider
from scribe_suite.providers.registry import (
    NOT_IN_ALL,
    WITH_ARGUMENT,
    ProviderSpec,
    granted_needs,
    load_provider,
    parse_specs,
    provider_names,
)


def test_the_built_in_providers_are_found_and_loaded():
    assert {"reference", "oracle", "random", "null", "cheat"} <= set(provider_names())
    for name in provider_names():
        assert load_provider(ProviderSpec(name)).name == name


def test_lists_models_and_all_are_understood():
    assert parse_specs(["reference,null", "random:v2"]) == [
        ProviderSpec("reference"),
        ProviderSpec("null"),
        ProviderSpec("random", "v2"),
    ]
    left_out = NOT_IN_ALL.union(WITH_ARGUMENT)
    assert {spec.name for spec in parse_specs(["all"])} == set(provider_names()) - left_out
    assert parse_specs(["null", "null"]) == [ProviderSpec("null")]
    assert str(ProviderSpec("codex", "gpt-5.2")) == "codex:gpt-5.2"
    assert parse_specs(["command:../my/agent.py"]) == [ProviderSpec("command", "../my/agent.py")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("refrence", "Unknown provider 'refrence': choose from .*Did you mean 'reference'?"),
        ("null:", "not of the form"),
        ("a b", "not of the form"),
        ("replay", "needs something after a colon, as in replay:"),
        ("command", "needs something after a colon, as in command:./my_agent"),
        (",", "No provider is named"),
    ],
)
def test_what_is_no_provider_is_named(value, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_specs([value])


def test_another_packages_provider_never_gets_the_key():
    class Greedy(Provider):
        name = "greedy"
        needs = frozenset({"oracle_answer"})

        def attempt(self, context):
            raise AssertionError

    with pytest.raises(ConfigurationError, match="'greedy' asks for oracle_answer, which only built-in"):
        granted_needs(Greedy())
    assert granted_needs(load_provider(ProviderSpec("oracle"))) == {"oracle_answer"}
    assert granted_needs(load_provider(ProviderSpec("null"))) == frozenset()
